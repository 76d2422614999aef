/** AdamW (Loshchilov and Hutter 2019). */
import type { Tensor } from '../autograd/tensor.ts';
import type { StepSlot } from '../ops/optimizer/attributes.ts';
import { checkAttributes } from '../arguments.ts';
import { ADAMW_COUNTS, adamwPrograms } from '../ops/optimizer/steps.ts';
import { Optimizer } from './optimizer.ts';
import { type GivenParameter, type ParameterGroup, requireSetting } from './parameters.ts';

/** Options of {@link AdamW}. */
export interface AdamWOptions {
  /** Default 1e-3. */
  readonly lr?: number;
  /** Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly eps?: number;
  /** Decoupled weight decay. Default 0.01, as in PyTorch. */
  readonly weightDecay?: number;
}

const OPTIONS = { lr: 'real?', betas: 'reals?', eps: 'real?', weightDecay: 'real?' } as const;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019), with the arithmetic and defaults of torch.optim.AdamW: the weights shrink by
 * lr · weightDecay, then move by -lr · m̂ / (sqrt(v̂) + eps). Moments are named `exp_avg` and `exp_avg_sq`; they are float32 on the device, twice
 * the parameters' size. A step is one dispatch for several parameters; those without a gradient are left alone.
 * @throws GmtlError `ops/attribute` and `optim/setting` for options out of range, `optim/empty` for no parameters.
 */
export class AdamW extends Optimizer {
  readonly #betas: readonly [number, number];
  readonly #eps: number;

  constructor(params: Iterable<GivenParameter | ParameterGroup>, options: AdamWOptions = {}) {
    checkAttributes('AdamW', OPTIONS, options);
    const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0.01 } = options;
    requireSetting('the count of betas', betas.length, betas.length === 2);
    for (const beta of betas) requireSetting('a beta', beta, beta >= 0 && beta < 1);
    requireSetting('eps', eps, eps > 0);
    super(params, { lr, weightDecay }, ['exp_avg', 'exp_avg_sq'], ADAMW_COUNTS);
    this.#betas = betas;
    this.#eps = eps;
  }

  protected override hyperValues(step: number): readonly [number, number, number, number] {
    const [beta1, beta2] = this.#betas;
    return [this.lr, 1 / (1 - beta1 ** step), 1 / Math.sqrt(1 - beta2 ** step), 0];
  }

  protected override updateParameters(inputs: readonly Tensor[], slots: readonly StepSlot[]): void {
    const [beta1, beta2] = this.#betas;
    this.engine.run(adamwPrograms[slots.length], inputs, { beta1, beta2, eps: this.#eps, slots });
  }
}

/**
 * Adam (Kingma and Ba 2015) as torch.optim.Adam without its weight decay, which adds to the gradient and is not what one wants: for decay take
 * {@link AdamW}.
 */
export class Adam extends AdamW {
  constructor(params: Iterable<GivenParameter | ParameterGroup>, options: Omit<AdamWOptions, 'weightDecay'> = {}) {
    super(params, { ...options, weightDecay: 0 });
  }
}
