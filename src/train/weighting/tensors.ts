import type { Engine } from '../../autograd/engine.ts';
import type { Tensor } from '../../autograd/tensor.ts';
import { concat } from '../../nn/functional.ts';
import { fillProgram } from '../../ops/movement/fill.ts';

/** A vector made on the device (so that it may be made inside a capture). */
export function constantVector(engine: Engine, values: readonly number[]): Tensor {
  return engine.noGrad(() => {
    const parts = values.map((value) => engine.run(fillProgram, [], { shape: [1], value })[0]);
    return parts.length === 1 ? parts[0] : concat(parts, 0);
  });
}
