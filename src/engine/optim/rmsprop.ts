/** RMSprop (Tieleman and Hinton 2012). */
import type { Tensor } from '../autograd/tensor.ts';
import { checkAttributes } from '../arguments.ts';
import type { StepSlot } from '../ops/optimizer/attributes.ts';
import { RMSPROP_COUNTS, rmspropPrograms } from '../ops/optimizer/steps.ts';
import { Optimizer } from './optimizer.ts';
import { type GivenParameter, type ParameterGroup, requireSetting } from './parameters.ts';

/** Options of {@link RMSprop}. */
export interface RMSpropOptions {
  /** Default 1e-2, as in PyTorch. */
  readonly lr?: number;
  /** How much of the mean square stays at each step. Default 0.99. */
  readonly alpha?: number;
  /** Default 1e-8. */
  readonly eps?: number;
  /** Default 0. */
  readonly momentum?: number;
  /** L2 penalty, added to the gradient. Default 0. */
  readonly weightDecay?: number;
}

const OPTIONS = { lr: 'real?', alpha: 'real?', eps: 'real?', momentum: 'real?', weightDecay: 'real?' } as const;

/**
 * RMSprop (Tieleman and Hinton 2012) with the arithmetic and defaults of torch.optim.RMSprop without centering: v = alpha · v + (1 - alpha) · g²,
 * b = momentum · b + g / (sqrt(v) + eps), w -= lr · b. The moments are named `square_avg` and `momentum_buffer` (kept even without momentum).
 * @throws GmtlError `ops/attribute` and `optim/setting` for options out of range, `optim/empty` for no parameters.
 */
export class RMSprop extends Optimizer {
  readonly #attributes: { readonly alpha: number; readonly eps: number; readonly momentum: number };

  constructor(params: Iterable<GivenParameter | ParameterGroup>, options: RMSpropOptions = {}) {
    checkAttributes('RMSprop', OPTIONS, options);
    const { lr = 1e-2, alpha = 0.99, eps = 1e-8, momentum = 0, weightDecay = 0 } = options;
    requireSetting('alpha', alpha, alpha >= 0 && alpha <= 1);
    requireSetting('eps', eps, eps > 0);
    requireSetting('momentum', momentum, momentum >= 0);
    super(params, { lr, weightDecay }, ['square_avg', 'momentum_buffer'], RMSPROP_COUNTS);
    this.#attributes = { alpha, eps, momentum };
  }

  protected override hyperValues(): readonly [number, number, number, number] {
    return [this.lr, 0, 0, 0];
  }

  protected override updateParameters(inputs: readonly Tensor[], slots: readonly StepSlot[]): void {
    this.engine.run(rmspropPrograms[slots.length], inputs, { ...this.#attributes, slots });
  }
}
