/** Layers that normalize. */
import { engine } from '../autograd/currentEngine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { checkAttributes } from '../arguments.ts';
import { accumulateProgram } from '../ops/accumulate/program.ts';
import type { BatchNormAttributes } from '../ops/batchNorm/attributes.ts';
import { fillProgram } from '../ops/movement/convert.ts';
import { emaProgram } from '../ops/optimizer/elementwise.ts';
import * as F from './functional.ts';
import { type Initializer, ones, zeros } from './init.ts';
import { Layer } from './layer.ts';
import { parameter, requireGroups } from './layerParts.ts';
import { Parameter } from './parameter.ts';

const NORM = { channels: 'extent', eps: 'number?' } as const;

/**
 * Normalization of each sample over groups of channels, [N, ..., channels]: see `functional.groupNorm`. Weight starts at 1, bias at 0.
 * @throws GmtlError `nn/layer` where the channels do not fall into `groups`.
 */
export class GroupNorm extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #groups: number;
  readonly #eps: number;

  constructor(groups: number, channels: number, eps = 1e-5) {
    super();
    checkAttributes('GroupNorm', { ...NORM, groups: 'extent' }, { channels, eps, groups });
    requireGroups('GroupNorm', groups, { channels });
    this.weight = parameter([channels], ones);
    this.bias = parameter([channels], zeros);
    this.#groups = groups;
    this.#eps = eps;
  }

  override forward(x: Tensor): Tensor {
    return F.groupNorm(x, this.#groups, this.weight, this.bias, this.#eps);
  }
}

/**
 * Normalization over the last axis, [..., channels], as torch.nn.LayerNorm(channels): see `functional.layerNorm`. Weight starts at 1, bias at 0;
 * `eps` (1e-5) stands inside the square root.
 */
export class LayerNorm extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #eps: number;

  constructor(channels: number, eps = 1e-5) {
    super();
    checkAttributes('LayerNorm', NORM, { channels, eps });
    this.weight = parameter([channels], ones);
    this.bias = parameter([channels], zeros);
    this.#eps = eps;
  }

  override forward(x: Tensor): Tensor {
    return F.layerNorm(x, this.weight, this.bias, this.#eps);
  }
}

/** The statistics of one forward pass that are still to enter a layer's running ones: its mean and unbiased variance [channels]. */
export interface BatchStatistics {
  readonly layer: BatchNorm2d;
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/**
 * Batch normalization over the channels of NHWC maps, with torch.nn.BatchNorm2d's names and defaults. `num_batches_tracked` is
 * counted (by the kernel, so that a captured step counts at each replay) but not used, as in PyTorch where a momentum is given.
 */
export class BatchNorm2d extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly running_mean: Parameter;
  readonly running_var: Parameter;
  readonly num_batches_tracked: Parameter;
  /** Not null: training passes leave the running statistics alone and put the batch's here, for `absorb` in an order of the caller's. */
  deferred: BatchStatistics[] | null = null;
  readonly #attributes: Required<Pick<BatchNormAttributes, 'eps' | 'momentum' | 'activation'>>;

  /** `activation` is fused: it follows the normalization, and the residual where `forward` is given one. */
  constructor(channels: number, options: Omit<BatchNormAttributes, 'training'> = {}) {
    super();
    checkAttributes('BatchNorm2d', { channels: 'extent' }, { channels });
    checkAttributes('BatchNorm2d', { eps: 'number?', momentum: 'number?', activation: ['none', 'relu'] }, options);
    const buffer = (shape: readonly number[], init: Initializer, optional = false) =>
      new Parameter(shape, init(shape, engine().generator), { buffer: true, optional });
    this.weight = parameter([channels], ones);
    this.bias = parameter([channels], zeros);
    this.running_mean = buffer([channels], zeros);
    this.running_var = buffer([channels], ones);
    this.num_batches_tracked = buffer([], zeros, true);
    const { eps = 1e-5, momentum = 0.1, activation = 'none' } = options;
    this.#attributes = { eps, momentum, activation };
  }

  /** activation(batchNorm(x) + residual), for x and a residual (0 where left out) of one shape [N, H, W, C]. */
  override forward(x: Tensor, residual?: Tensor): Tensor {
    const { training, deferred } = this;
    if (training && deferred) {
      // With a momentum of 1 on zeros the kernel's update leaves the batch's own statistics.
      const zeros = (): Tensor => x.engine.run(fillProgram, [], { shape: this.weight.shape, value: 0 })[0].keep();
      const own = { mean: zeros(), variance: zeros() };
      deferred.push({ layer: this, ...own });
      return F.batchNorm(x, this.weight, this.bias, own, { training, ...this.#attributes, momentum: 1 }, residual);
    }
    const running = { mean: this.running_mean, variance: this.running_var, batches: this.num_batches_tracked };
    return F.batchNorm(x, this.weight, this.bias, running, { training, ...this.#attributes }, residual);
  }

  /** Lets batches' statistics enter the running ones one after another, as training passes over them would have. */
  absorb(batches: readonly Pick<BatchStatistics, 'mean' | 'variance'>[]): void {
    checkAttributes('BatchNorm2d.absorb', { batches: 'records' }, { batches });
    const { engine } = this.weight;
    const { momentum } = this.#attributes;
    engine.scope(() => {
      const [hyper] = engine.run(fillProgram, [], { shape: [4], value: momentum });
      for (const { mean, variance } of batches) {
        engine.run(emaProgram, [this.running_mean, mean, hyper], {});
        engine.run(emaProgram, [this.running_var, variance, hyper], {});
      }
      const [count] = engine.run(fillProgram, [], { shape: [], value: batches.length });
      engine.run(accumulateProgram, [this.num_batches_tracked, count], {});
    });
  }
}
