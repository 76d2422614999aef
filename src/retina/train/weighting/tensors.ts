/** Small tensors that weightings build. */
import type { Engine } from '../../../engine/autograd/engine.ts';
import type { Tensor } from '../../../engine/autograd/tensor.ts';
import { concat } from '../../../engine/nn/functional.ts';
import { fillProgram } from '../../../engine/ops/movement/convert.ts';

/** Sum of scalars; null of none (a batch whose rows the gate all sent astray). */
export function sumOf(parts: readonly Tensor[]): Tensor | null {
  return parts.length > 0 ? parts.reduce((sum, part) => sum.add(part)) : null;
}

/** A vector made on the device (so that it may be made inside a capture). */
export function constantVector(engine: Engine, values: readonly number[]): Tensor {
  return engine.noGrad(() => {
    const parts = values.map((value) => engine.run(fillProgram, [], { shape: [1], value })[0]);
    return parts.length === 1 ? parts[0] : concat(parts, 0);
  });
}
