/** The ResNet U-Net with grading heads and a router. */
import { requireMade } from '../../engine/arguments.ts';
import { scope } from '../../engine/autograd/currentEngine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import { GmtlError } from '../../engine/errors.ts';
import * as F from '../../engine/nn/functional.ts';
import { xavierUniform, zeros } from '../../engine/nn/init.ts';
import { Lambda, Sequential } from '../../engine/nn/container.ts';
import { Conv2d } from '../../engine/nn/convolution.ts';
import { Linear } from '../../engine/nn/linear.ts';
import { BatchNorm2d } from '../../engine/nn/normalization.ts';
import { block, Module } from '../../engine/nn/module.ts';
import { RandomSource } from '../../engine/nn/randomSource.ts';
import {
  dropout2dLayer,
  dropoutLayer,
  type Encoded,
  type ExpertOutput,
  gradeOutputs,
  type HeadOptions,
  MultitaskNet,
  type Routes,
} from './network.ts';
import { RESNET_VARIANTS, ResNet, type ResNetConfig, type ResNetVariant } from '../../engine/models/resnet.ts';
import { decodeMasks, type StagePool, stagePoolFor } from './stagePool.ts';
import { UnetDecoder } from '../../engine/models/unet.ts';

/** Options of {@link RoutedUnet}. */
export interface RoutedUnetOptions extends HeadOptions {
  readonly encoder: ResNetVariant | ResNetConfig;
  /** Channels of the five decoder blocks, coarsest first. */
  readonly channels: readonly number[];
  readonly routerDropout: number;
  /** linear: pooling and a linear layer; experts: four convolution experts under a softmax gate before the pooling. */
  readonly classifier: 'linear' | 'experts';
  readonly expertDropout: number;
  /** Seed of dropout. */
  readonly seed: number;
}

const REQUIRED: readonly (keyof RoutedUnetOptions)[] = [
  ...(['seed', 'masks', 'grades', 'ordinal', 'encoder', 'channels'] as const),
  ...(['routerDropout', 'classifier', 'expertDropout'] as const),
];

/** Convolution experts before the grading heads. */
const EXPERT_COUNT = 4;

/** Convolution 3x3, BatchNorm, ReLU and Dropout2d, twice. */
function expert(channels: number, dropout: number, random: RandomSource): Sequential {
  const layers = [0, 1].flatMap(() => [
    new Conv2d(channels, channels, 3, { padding: 1 }),
    new BatchNorm2d(channels, { activation: 'relu' }),
    new Lambda((x) => x),
    dropout2dLayer(dropout, random),
  ]);
  return new Sequential(...layers);
}

/** sum_e softmax(gate(pool(x)))_e * expert_e(x): a dense mixture of convolution experts on the coarsest map [N, h, w, C]. */
class ExpertMixture extends Module {
  readonly gate: Linear;
  readonly experts: readonly Sequential[];

  constructor(channels: number, dropout: number, random: RandomSource) {
    super();
    this.gate = new Linear(channels, EXPERT_COUNT);
    this.experts = Array.from({ length: EXPERT_COUNT }, () => expert(channels, dropout, random));
  }

  forward(x: Tensor): Tensor {
    return block(x, () => {
      const [rows] = x.shape;
      const weights = F.softmax(this.gate.forward(x.mean([1, 2]))).cast(x.dtype);
      return this.experts
        .map((each, index) => each.forward(x).mul(weights.slice(1, index, index + 1).reshape([rows, 1, 1, 1])))
        .reduce((sum, part) => sum.add(part));
    });
  }
}

/**
 * ResNet U-Net with grading heads and a router (github.com/AnGoraGou/MultiTask_IDRID, rebuilt): segmentation_models_pytorch's encoder
 * and decoder under its names, grades from the pooled coarsest map, and a router - pooling, dropout, linear, two outputs - whose
 * softmax weights the tasks' losses in training and tiles in inference.
 */
export class RoutedUnet extends MultitaskNet {
  readonly trunkPrefix = 'encoder.';
  readonly masks: number;
  readonly ordinal: boolean;
  /** The mask head starts with bias 0. */
  readonly maskPriorLogit = 0;
  readonly encoder: ResNet;
  readonly decoder: UnetDecoder;
  readonly segmentation_head: Sequential;
  readonly mixture: ExpertMixture | null;
  /** Null where the grading heads see only the coarsest map. */
  readonly grader: StagePool | null;
  /** Named as its parameters are in every checkpoint (`retino.0.weight`). */
  readonly retino: Sequential | null;
  readonly edema: Sequential | null;
  readonly router: Sequential;
  /** Null where the router sees the pooled features of the last stage. */
  readonly gateReader: StagePool | null;
  readonly #random: RandomSource;

  constructor(options: RoutedUnetOptions) {
    requireMade('RoutedUnet', 'options', options, REQUIRED, 'a literal of RoutedUnetOptions with all of its fields');
    super();
    const random = new RandomSource(options.seed);
    this.#random = random;
    const { encoder, channels, masks, grades, ordinal, routerDropout, classifier, expertDropout, gradeFeatures } =
      options;
    this.masks = masks;
    this.ordinal = ordinal;
    this.encoder = new ResNet({ ...(typeof encoder === 'string' ? RESNET_VARIANTS[encoder] : encoder), classes: 0 });
    this.decoder = new UnetDecoder({ encoderChannels: this.encoder.channels, channels });
    const from = this.decoder.outChannels;
    const init = { weight: xavierUniform(9 * from, 9 * masks), bias: zeros };
    this.segmentation_head = new Sequential(new Conv2d(from, masks, 3, { padding: 1, init }));
    const features = this.encoder.channels[this.encoder.channels.length - 1];
    this.mixture = classifier === 'experts' ? new ExpertMixture(features, expertDropout, random) : null;
    if (this.mixture && gradeFeatures !== undefined && gradeFeatures !== 'pooled') {
      throw new GmtlError(
        'nn/model',
        'convolution experts grade by the coarsest map: choose gradeFeatures pooled, or classifier linear',
      );
    }
    this.grader = stagePoolFor(options.gradeFeatures, masks, this.encoder.channels);
    const graded = this.grader?.outFeatures ?? features;
    this.retino = grades === 'edema' ? null : new Sequential(new Linear(graded, gradeOutputs('retinopathy', ordinal)));
    this.edema = grades === 'retinopathy' ? null : new Sequential(new Linear(graded, gradeOutputs('edema', ordinal)));
    this.gateReader = stagePoolFor(options.gateFeatures, masks, this.encoder.channels);
    const read = this.gateReader?.outFeatures ?? features;
    this.router = new Sequential(dropoutLayer(routerDropout, random), new Linear(read, 2));
  }

  get random(): RandomSource {
    return this.#random;
  }

  encode(x: Tensor): Encoded {
    return x.engine.scope(() => {
      const features = this.encoder.forwardFeatures(x.cast(this.precision));
      const pooled = features[features.length - 1].mean([1, 2]);
      const [, height, width] = x.shape;
      const masks = this.gateReader && this.#masks(features, height, width);
      const read = this.gateReader?.forward(features, masks) ?? pooled;
      return { features, pooled, masks, gateLogits: this.router.forward(read) };
    });
  }

  experts({ features, pooled, masks: decoded }: Encoded, routes: Routes, height: number, width: number): ExpertOutput {
    return scope(() => {
      const { classification } = routes;
      const masks = decodeMasks(routes, this.grader !== null && this.grader.masks > 0, decoded, (rows) =>
        this.#masks(
          features.map((map) => F.selectRows(map, rows)),
          height,
          width,
        ),
      );
      const graded =
        classification.length > 0 ? this.#gradeFeatures(features, pooled, classification, masks.graded) : null;
      return {
        maskLogits: masks.segmented,
        retinopathyLogits: graded && this.retino ? this.retino.forward(graded) : null,
        edemaLogits: graded && this.edema ? this.edema.forward(graded) : null,
      };
    });
  }

  #gradeFeatures(
    features: readonly Tensor[],
    pooled: Tensor,
    rows: readonly number[],
    maskLogits: Tensor | null,
  ): Tensor {
    if (this.grader)
      return this.grader.forward(
        features.map((map) => F.selectRows(map, rows)),
        maskLogits,
      );
    if (!this.mixture) return F.selectRows(pooled, rows);
    return this.mixture.forward(F.selectRows(features[features.length - 1], rows)).mean([1, 2]);
  }

  #masks(features: readonly Tensor[], height: number, width: number): Tensor {
    return this.segmentation_head.forward(this.decoder.forward(features, [height, width])).cast('f32');
  }
}
