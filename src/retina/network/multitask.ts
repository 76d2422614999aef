/** The ConvNeXt-gated multitask network. */
import { requireMade } from '../../engine/arguments.ts';
import { scope } from '../../engine/autograd/currentEngine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import * as F from '../../engine/nn/functional.ts';
import type { Sequential } from '../../engine/nn/container.ts';
import { RandomSource } from '../../engine/nn/randomSource.ts';
import {
  CONVNEXT_VARIANTS,
  ConvNeXt,
  type ConvNeXtConfig,
  type ConvNeXtVariant,
} from '../../engine/models/convnext.ts';
import { Decoder, type DecoderNorm } from '../../engine/models/decoder.ts';
import {
  type Encoded,
  type ExpertOutput,
  gradeOutputs,
  type HeadOptions,
  MultitaskNet,
  perceptron,
  readsPooled,
  type Routes,
} from './network.ts';
import { decodeMasks, type StagePool, stagePoolFor } from './stagePool.ts';

/** Options of {@link GatedMultitaskNet}. */
export interface GatedOptions extends HeadOptions {
  readonly trunk: ConvNeXtVariant | ConvNeXtConfig;
  readonly dropPath: number;
  readonly headDropout: number;
  readonly decoderDropout: number;
  /** Coarsest first. */
  readonly decoderChannels: readonly number[];
  readonly decoderNorm: DecoderNorm;
  readonly skipConnections: boolean;
  readonly headNorm: boolean;
  readonly maskPrior: number;
  readonly gateHidden: number;
  readonly retinopathyHidden: number;
  readonly edemaHidden: number;
  readonly layerScaleInit: number;
  /** Whether the trunk's blocks keep only their input until backward and are run again there. */
  readonly recompute?: boolean;
  /** Seed of dropout. */
  readonly seed: number;
}

const REQUIRED: readonly (keyof GatedOptions)[] = [
  ...(['seed', 'masks', 'grades', 'ordinal', 'trunk', 'maskPrior', 'decoderChannels', 'decoderNorm'] as const),
  ...(['gateHidden', 'retinopathyHidden', 'edemaHidden', 'headDropout', 'decoderDropout'] as const),
  ...(['dropPath', 'layerScaleInit'] as const),
];

/**
 * The ConvNeXt-gated multitask network (github.com/manish33scss/MultiClassModel_idrid, rebuilt): a shared trunk; a gate that decides
 * from pooled features or the masks' findings which task an image is for; a segmentation expert (five lesion masks) and a classification expert
 * (retinopathy and macular edema grades). Only the expert that an image is routed to is run.
 */
export class GatedMultitaskNet extends MultitaskNet {
  readonly trunkPrefix = 'trunk.';
  readonly masks: number;
  readonly ordinal: boolean;
  readonly maskPriorLogit: number;
  readonly trunk: ConvNeXt;
  readonly gate: Sequential;
  /** Null where the gate sees the pooled features of the last stage. */
  readonly gateReader: StagePool | null;
  readonly decoder: Decoder;
  /** Null where the grading heads see the same features as the gate. */
  readonly grader: StagePool | null;
  /** Named as its parameters are in every checkpoint (`retino.0.weight`). */
  readonly retino: Sequential | null;
  readonly edema: Sequential | null;
  readonly #random: RandomSource;

  constructor(options: GatedOptions) {
    requireMade('GatedMultitaskNet', 'options', options, REQUIRED, 'a literal of GatedOptions with all of its fields');
    super();
    const random = new RandomSource(options.seed);
    this.#random = random;
    this.masks = options.masks;
    this.ordinal = options.ordinal;
    this.maskPriorLogit = Math.log(options.maskPrior / (1 - options.maskPrior));
    const config = typeof options.trunk === 'string' ? CONVNEXT_VARIANTS[options.trunk] : options.trunk;
    const { dropPath: dropPathRate, layerScaleInit, headDropout, grades, ordinal, recompute } = options;
    const headNorm = options.headNorm && readsPooled(options);
    this.trunk = new ConvNeXt({ ...config, classes: 0, dropPathRate, layerScaleInit, headNorm, random, recompute });
    const features = this.trunk.channels[this.trunk.channels.length - 1];
    this.gateReader = stagePoolFor(options.gateFeatures, options.masks, this.trunk.channels);
    this.gate = perceptron(this.gateReader?.outFeatures ?? features, options.gateHidden, 2, headDropout, random);
    this.decoder = new Decoder({
      features: this.trunk.channels,
      channels: options.decoderChannels,
      classes: options.masks,
      skips: options.skipConnections,
      norm: options.decoderNorm,
      dropout: options.decoderDropout,
      prior: options.maskPrior,
      random,
    });
    this.grader = stagePoolFor(options.gradeFeatures, options.masks, this.trunk.channels);
    const graded = this.grader?.outFeatures ?? features;
    this.retino =
      grades === 'edema'
        ? null
        : perceptron(graded, options.retinopathyHidden, gradeOutputs('retinopathy', ordinal), headDropout, random);
    this.edema =
      grades === 'retinopathy'
        ? null
        : perceptron(graded, options.edemaHidden, gradeOutputs('edema', ordinal), headDropout, random);
  }

  get random(): RandomSource {
    return this.#random;
  }

  encode(x: Tensor): Encoded {
    return x.engine.scope(() => {
      const features = this.trunk.forwardFeatures(x.cast(this.precision));
      const pooled = this.trunk.pool(features[features.length - 1]);
      const [, height, width] = x.shape;
      const masks = this.gateReader && this.decoder.forward(features, height, width);
      const read = this.gateReader?.forward(features, masks) ?? pooled;
      return { features, pooled, masks, gateLogits: this.gate.forward(read) };
    });
  }

  experts({ features, pooled, masks: decoded }: Encoded, routes: Routes, height: number, width: number): ExpertOutput {
    return scope(() => {
      const { classification } = routes;
      const { grader } = this;
      const masks = decodeMasks(routes, grader !== null && grader.masks > 0, decoded, (rows) =>
        this.decoder.forward(
          features.map((map) => F.selectRows(map, rows)),
          height,
          width,
        ),
      );
      const select = (map: Tensor) => F.selectRows(map, classification);
      const graded =
        classification.length === 0 ? null : (grader?.forward(features.map(select), masks.graded) ?? select(pooled));
      return {
        maskLogits: masks.segmented,
        retinopathyLogits: graded && this.retino ? this.retino.forward(graded) : null,
        edemaLogits: graded && this.edema ? this.edema.forward(graded) : null,
      };
    });
  }
}
