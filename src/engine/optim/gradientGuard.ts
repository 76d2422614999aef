/** Clips gradients, suppresses steps that are not finite, and scales the loss of float16 training. */
import type { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { GmtlError } from '../errors.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { LARGEST_LOSS_SCALE } from '../ops/optimizer/attributes.ts';
import { guardedScaleProgram } from '../ops/optimizer/elementwise.ts';
import { slotsFor } from '../ops/optimizer/layout.ts';
import { checkAttributes } from '../arguments.ts';
import { clipGateProgram, SQUARED_TENSORS, squaresProgram } from '../ops/optimizer/norm.ts';
import { type GivenParameter, type NamedParameter, nameParameters, requireLive, requireSetting } from './parameters.ts';
import { stateTensor } from './state.ts';

/** What the last `measure` found. */
export interface GuardReading {
  /** Global L2 norm of the gradients before clipping; NaN where they are not finite. */
  readonly norm: number;
  /** Factor the optimizer multiplies the gradients by: 1 where nothing is clipped, 0 where they are not finite. */
  readonly scale: number;
  /** No NaN or infinity in the gradients, the loss, or the norm itself. */
  readonly finite: boolean;
  /** Steps suppressed since the guard was made. */
  readonly suppressed: number;
}

/** What the dynamic loss scale of float16 training is, and how it moves. */
export interface LossScaling {
  /** What the first loss is multiplied by. */
  readonly initial: number;
  /** Finite steps in a row after which the scale doubles; it halves where a step was not finite. */
  readonly growthInterval: number;
}

/** The defaults of torch.cuda.amp.GradScaler. */
export const LOSS_SCALING: LossScaling = { initial: 65_536, growthInterval: 2000 };

/** Where a loss scale has got to, for checkpoints and reports. */
export interface LossScaleState {
  readonly scale: number;
  /** Finite steps since it last changed. */
  readonly finiteSteps: number;
  /** Suppressed steps in a row. */
  readonly suppressedInARow: number;
}

/**
 * Global-norm clipping, dynamic loss scaling and the search for NaN and Inf, all on the device: a dispatch for every few gradients and one more. An optimizer that
 * is given the guard scales gradients as it reads them and leaves everything untouched where something is not finite.
 * Only `read` and `readLossScale` read anything back.
 *
 * With `lossScaling`, losses must be backpropagated from `seed(loss)` in place of 1; the guard's factor takes the scale off again. Float16
 * gradients below 6e-8 would be zero; multiplied by the scale they are not, and where they then overflow, the step is suppressed and the
 * scale halved (Micikevicius et al. 2018; torch.cuda.amp.GradScaler).
 */
export class GradientGuard {
  /** [scale, norm, nonFinite, suppressed], shape [4]. */
  readonly tensor: Tensor;
  /** [loss scale, finite steps since it last changed, suppressed steps in a row, 0], shape [4]. */
  readonly lossScale: Tensor;
  readonly #growthInterval: number;
  readonly #engine: Engine;
  readonly #params: readonly NamedParameter[];
  readonly #maxNorm: number;
  readonly #sticky: boolean;
  readonly #slots: Tensor;

  /**
   * `maxNorm` 0 (the default): no clipping, only the search. `sticky`: once a step is suppressed, so are all later ones, for loops that submit
   * further steps before they read the report of the last one. Throws `optim/empty`, `optim/duplicate`, `optim/setting`.
   */
  constructor(
    params: Iterable<GivenParameter>,
    options: {
      readonly maxNorm?: number;
      readonly sticky?: boolean;
      /** Null (default): losses are not scaled. */
      readonly lossScaling?: LossScaling | null;
    } = {},
  ) {
    checkAttributes('GradientGuard', { maxNorm: 'real?', sticky: 'flag?', lossScaling: 'anything?' }, options);
    const { maxNorm = 0, sticky = false, lossScaling = null } = options;
    requireSetting('maxNorm', maxNorm, maxNorm >= 0);
    const { initial, growthInterval } = lossScaling ?? { initial: 1, growthInterval: 0 };
    requireSetting('lossScaling.initial', initial, initial > 0 && initial <= LARGEST_LOSS_SCALE);
    requireSetting('lossScaling.growthInterval', growthInterval, !lossScaling || growthInterval >= 1);
    this.#growthInterval = growthInterval;
    this.#params = nameParameters(params);
    this.#maxNorm = maxNorm;
    this.#sticky = sticky;
    this.#engine = this.#params[0].tensor.engine;
    const { backend } = this.#engine;
    if (lossScaling && backend instanceof GpuBackend && backend.gpu.losesInfinity) {
      throw new GmtlError(
        'optim/float16',
        `${backend.name} does not make float16 numbers that overflow infinite, which the scaling of losses looks for: train in float32 ` +
          '(--precision f32; lossScaling: null), or use another --adapter',
      );
    }
    let capacity = 1; // the loss
    for (const { tensor } of this.#params) capacity += slotsFor(tensor.size);
    this.#slots = stateTensor(this.#engine, [capacity, 2], new Float32Array(2 * capacity), 'squares of gradients');
    this.tensor = stateTensor(this.#engine, [4], new Float32Array([1, 0, 0, 0]), 'gradient guard');
    this.lossScale = stateTensor(this.#engine, [4], new Float32Array([initial, 0, 0, 0]), 'loss scale');
  }

  /** Whether losses are to be backpropagated from `seed`. */
  get scalesLosses(): boolean {
    return this.#growthInterval > 0;
  }

  /** The gradient that backward starts from at the scalar `loss`: the current loss scale; undefined (which means 1) without scaling. */
  seed(loss: Tensor): Tensor | undefined {
    if (!this.scalesLosses) return undefined;
    return this.#engine.noGrad(() => this.lossScale.slice(0, 0, 1).reshape(loss.shape));
  }

  /** Measures the current gradients (parameters without one are skipped) and the scalar `loss` where given. */
  measure(loss?: Tensor): void {
    for (const { name, tensor } of this.#params) requireLive(name, tensor);
    if (loss && loss.size !== 1)
      throw new GmtlError('tensor/shape', `GradientGuard.measure: the loss is ${loss}, not a scalar`);
    const looked = [
      ...this.#params.flatMap(({ tensor: { grad } }) => (grad ? [{ tensor: grad, weight: 1 }] : [])),
      ...(loss ? [{ tensor: loss, weight: 0 }] : []),
    ];
    // Tensors of like size share a dispatch: its threads are as many as the largest needs.
    looked.sort((a, b) => b.tensor.size - a.tensor.size);
    let slots = 0;
    for (let at = 0; at < looked.length; at += SQUARED_TENSORS) {
      const batch = looked.slice(at, at + SQUARED_TENSORS);
      const tensors = batch.map(({ tensor, weight }) => {
        const first = slots;
        slots += slotsFor(tensor.size);
        return { first, weight };
      });
      this.#engine.run(squaresProgram, [this.#slots, ...batch.map(({ tensor }) => tensor)], { tensors });
    }
    this.#engine.run(clipGateProgram, [this.#slots, this.tensor, this.lossScale], {
      count: slots,
      maxNorm: this.#maxNorm,
      sticky: this.#sticky,
      growthInterval: this.#growthInterval,
    });
  }

  /** Scales the gradients in place by what `measure` found; not needed before an optimizer step that is given the guard. */
  scaleGradients(): void {
    for (const { tensor } of this.#params) {
      if (tensor.grad) this.#engine.run(guardedScaleProgram, [tensor.grad, this.tensor], {});
    }
  }

  /** Suppresses the step, whatever was measured: {@link scaleGradients} sets all gradients to 0 until the next {@link measure}. */
  shut(): void {
    this.tensor.write(new Float32Array(4));
  }

  /** What the last {@link measure} found: the global L2 norm, the factor, whether all was finite. Waits for the device. */
  async read(): Promise<GuardReading> {
    const [scale, norm, nonFinite, suppressed] = await this.tensor.data();
    const finite = nonFinite === 0;
    // 2: the gradients are finite, their sum of squares is not.
    return { norm: finite || nonFinite === 2 ? norm : Number.NaN, scale, finite, suppressed };
  }

  /** The current loss scale (a factor of the loss), and its counts of steps, for a checkpoint. Waits for the device. */
  async readLossScale(): Promise<LossScaleState> {
    const [scale, finiteSteps, suppressedInARow] = await this.lossScale.data();
    return { scale, finiteSteps, suppressedInARow };
  }

  /** Continues from a checkpoint's loss scale, as {@link readLossScale} gave it. @throws GmtlError `ops/attribute` for what is not one. */
  restoreLossScale(state: LossScaleState): void {
    checkAttributes('restoreLossScale', { scale: 'number', finiteSteps: 'count', suppressedInARow: 'count' }, state);
    const { scale, finiteSteps, suppressedInARow } = state;
    this.lossScale.write(Float32Array.of(scale, finiteSteps, suppressedInARow, 0));
  }

  /** Frees the guard's own tensors; parameters and gradients stay. */
  dispose(): void {
    this.tensor.dispose();
    this.lossScale.dispose();
    this.#slots.dispose();
  }
}

/**
 * Scales the gradients in place so that their global L2 norm is at most `maxNorm`, as torch.nn.utils.clip_grad_norm_; gradients that
 * are not finite are left as they are. Where their squares overflow the norm is infinite and they become 0, as in PyTorch; so they do with
 * `maxNorm` 0. Returns the norm before clipping (NaN where a gradient is not finite). Waits for the device: a training loop uses a
 * `GradientGuard` instead, which does not.
 */
export async function clipGradNorm(params: Iterable<GivenParameter>, maxNorm: number): Promise<number> {
  const guard = new GradientGuard(params, { maxNorm });
  try {
    guard.measure();
    const measured = guard.read();
    if (maxNorm === 0) guard.shut();
    guard.scaleGradients();
    return (await measured).norm;
  } finally {
    guard.dispose();
  }
}
