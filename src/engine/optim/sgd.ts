/** Stochastic gradient descent with momentum, as torch.optim.SGD. */
import type { Tensor } from '../autograd/tensor.ts';
import { checkAttributes } from '../arguments.ts';
import { GmtlError } from '../errors.ts';
import type { StepSlot } from '../ops/optimizer/attributes.ts';
import { SGD_COUNTS, sgdPrograms } from '../ops/optimizer/steps.ts';
import { Optimizer } from './optimizer.ts';
import { type GivenParameter, type ParameterGroup, requireSetting } from './parameters.ts';

/** Options of {@link SGD}. */
export interface SGDOptions {
  /** Default 1e-3. */
  readonly lr?: number;
  /** Default 0. */
  readonly momentum?: number;
  /** Needs momentum. Default false. */
  readonly nesterov?: boolean;
  /** L2 penalty, added to the gradient. Default 0. */
  readonly weightDecay?: number;
}

const OPTIONS = { lr: 'real?', momentum: 'real?', nesterov: 'flag?', weightDecay: 'real?' } as const;

/**
 * Stochastic gradient descent with momentum, as torch.optim.SGD with dampening 0: b = momentum · b + g + weightDecay · w, then w -= lr · b (with
 * `nesterov` lr · (g + momentum · b)). The moment is named `momentum_buffer` (kept even without momentum).
 * @throws GmtlError `ops/attribute` and `optim/setting` for options out of range, `optim/empty` for no parameters.
 */
export class SGD extends Optimizer {
  readonly #momentum: number;
  readonly #nesterov: boolean;

  constructor(params: Iterable<GivenParameter | ParameterGroup>, options: SGDOptions = {}) {
    checkAttributes('SGD', OPTIONS, options);
    const { lr = 1e-3, momentum = 0, nesterov = false, weightDecay = 0 } = options;
    requireSetting('momentum', momentum, momentum >= 0);
    if (nesterov && momentum === 0) throw new GmtlError('optim/setting', 'nesterov needs a momentum above 0');
    super(params, { lr, weightDecay }, ['momentum_buffer'], SGD_COUNTS);
    this.#momentum = momentum;
    this.#nesterov = nesterov;
  }

  protected override hyperValues(): readonly [number, number, number, number] {
    return [this.lr, 0, 0, 0];
  }

  protected override updateParameters(inputs: readonly Tensor[], slots: readonly StepSlot[]): void {
    this.engine.run(sgdPrograms[slots.length], inputs, {
      momentum: this.#momentum,
      nesterov: this.#nesterov,
      slots,
    });
  }
}
