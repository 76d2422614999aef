import { type Engine, engine as currentEngine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { dropout, dropPath } from '../ops/dropout/op.ts';
import { fillProgram } from '../ops/movement/fill.ts';
import { philox } from '../tensor/random.ts';

/**
 * Where a model's dropout and drop path get their masks from. The seed of a step is a pure function of (seed, step), so a resumed
 * run draws the same masks; each layer has a stream of its own. Seeds live in tensors, so a captured step draws new masks at
 * each replay.
 */
export class RandomSource {
  readonly seed: number;
  readonly #engine: Engine;
  /** u32 [seed of the step, stream], one for each layer. */
  readonly #states: Tensor[] = [];

  constructor(seed: number, engine: Engine = currentEngine()) {
    this.seed = seed >>> 0;
    this.#engine = engine;
  }

  /** Chooses the masks of `step`. On the host; not inside a capture. */
  setStep(step: number): void {
    const [word] = philox([step >>> 0, 0, 0, 0], [this.seed, 0x5eed]);
    this.#states.forEach((state, stream) => {
      state.write(new Uint32Array([word, stream]));
    });
  }

  /** Each element is zeroed with probability `p`, the others scaled by 1 / (1 - p). */
  dropout(p: number): (x: Tensor) => Tensor {
    const state = this.#stream();
    return (x) => x.engine.apply(dropout, [x, state], { p });
  }

  /** Whole channels of a sample are zeroed (torch.nn.Dropout2d). */
  dropout2d(p: number): (x: Tensor) => Tensor {
    const state = this.#stream();
    return (x) => x.engine.apply(dropout, [x, state], { p, granularity: 'channel' });
  }

  /** One factor a sample, [N]: 0 with probability `p`, else 1 / (1 - p) (stochastic depth, timm's DropPath). */
  dropPathFactor(p: number): (samples: number) => Tensor {
    const state = this.#stream();
    return (samples) =>
      state.engine.noGrad(() => {
        const [ones] = state.engine.run(fillProgram, [], { shape: [samples], value: 1 });
        return state.engine.apply(dropPath, [ones, state], { p });
      });
  }

  #stream(): Tensor {
    const state = this.#engine.tensor(new Uint32Array([this.seed, this.#states.length]), [2], {
      dtype: 'u32',
      name: 'seed',
    });
    this.#states.push(state.keep());
    return state;
  }

  dispose(): void {
    for (const state of this.#states) state.dispose();
  }
}
