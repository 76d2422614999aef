/** The seed and step that every dropout of a network shares. */
import { engine as currentEngine } from '../autograd/currentEngine.ts';
import type { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { dropout, dropPath } from '../ops/dropout/op.ts';
import { fillProgram } from '../ops/movement/convert.ts';
import { checkAttributes } from '../arguments.ts';
import { GmtlError } from '../errors.ts';
import { philox } from '../tensor/random.ts';

/** Streams of one micro-batch lie this far from those of the next. */
const STREAMS_OF_A_PART = 65_536;

/**
 * Where a model's dropout and drop path get their masks from. The seed of a step is a pure function of (seed, step), so a resumed
 * run draws the same masks; each layer has a stream of its own in each micro-batch. Seeds live in tensors, so a captured step draws new
 * masks at each replay.
 */
export class RandomSource {
  readonly seed: number;
  readonly #engine: Engine;
  /** u32 [seed of the step, stream]: by micro-batch, then by layer. */
  readonly #states: Tensor[][] = [[]];
  #part = 0;

  constructor(seed: number, engine: Engine = currentEngine()) {
    checkAttributes('RandomSource', { seed: 'integer' }, { seed });
    this.seed = seed >>> 0;
    this.#engine = engine;
  }

  /** Chooses the masks of `step` for `parts` micro-batches. Runs on the host, not inside a capture. */
  setStep(step: number, parts = 1): void {
    checkAttributes('RandomSource.setStep', { step: 'integer', parts: 'extent' }, { step, parts });
    const [word] = philox([step >>> 0, 0, 0, 0], [this.seed, 0x5eed]);
    while (this.#states.length < parts) {
      const part = this.#states.length;
      this.#states.push(this.#states[0].map((_, stream) => this.#makeState(part, stream)));
    }
    this.#states.forEach((states, part) => {
      states.forEach((state, stream) => {
        state.write(new Uint32Array([word, part * STREAMS_OF_A_PART + stream]));
      });
    });
  }

  /** Uses the masks of micro-batch `part` from here on: 0 for the first of the `parts` passed to `setStep`. */
  usePart(part: number): void {
    checkAttributes('RandomSource.usePart', { part: 'count' }, { part });
    if (part >= this.#states.length) {
      throw new GmtlError('nn/random', `there is no micro-batch ${part}: setStep was given ${this.#states.length}`);
    }
    this.#part = part;
  }

  /**
   * A new layer of dropout, f32 or f16, any shape: each element is zeroed with probability `p`, the others scaled by 1 / (1 - p) (Srivastava et al. 2014;
   * torch.nn.Dropout in training). Each call makes a stream of its own.
   * @throws GmtlError `tensor/shape`, when it is applied, for a probability outside of 0 … 1.
   */
  dropout(p: number): (x: Tensor) => Tensor {
    const state = this.#stream();
    return (x) => x.engine.apply(dropout, [x, state()], { p });
  }

  /** As {@link dropout} of maps [N, H, W, C], by whole channels of a sample (torch.nn.Dropout2d; Tompson et al. 2015). */
  dropout2d(p: number): (x: Tensor) => Tensor {
    const state = this.#stream();
    return (x) => x.engine.apply(dropout, [x, state()], { p, granularity: 'channel' });
  }

  /** One factor per sample, [N]: 0 with probability `p`, else 1 / (1 - p) (stochastic depth, timm's DropPath). */
  dropPathFactor(p: number): (samples: number) => Tensor {
    const state = this.#stream();
    return (samples) =>
      this.#engine.noGrad(() => {
        const [ones] = this.#engine.run(fillProgram, [], { shape: [samples], value: 1 });
        return this.#engine.apply(dropPath, [ones, state()], { p });
      });
  }

  /** A new layer's stream: the state of the micro-batch in use. */
  #stream(): () => Tensor {
    const stream = this.#states[0].length;
    this.#states.forEach((states, part) => {
      states.push(this.#makeState(part, stream));
    });
    return () => this.#states[this.#part][stream];
  }

  #makeState(part: number, stream: number): Tensor {
    return this.#engine
      .tensor(new Uint32Array([this.seed, part * STREAMS_OF_A_PART + stream]), [2], { dtype: 'u32', name: 'seed' })
      .keep();
  }

  /** Frees the seeds; layers that were made of it can no longer be applied. */
  dispose(): void {
    for (const state of this.#states.flat()) state.dispose();
  }
}
