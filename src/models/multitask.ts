import type { Tensor } from '../autograd/tensor.ts';
import { engine } from '../autograd/engine.ts';
import * as F from '../nn/functional.ts';
import { Lambda, Linear, Sequential } from '../nn/layers.ts';
import { Module } from '../nn/module.ts';
import { RandomSource } from '../nn/randomSource.ts';
import { CONVNEXT_VARIANTS, ConvNeXt, type ConvNeXtConfig, type ConvNeXtVariant } from './convnext.ts';
import { Decoder, type DecoderNorm } from './decoder.ts';

/** Index of each task in the gate's output, as in the published system. */
export const TASK_INDEX = { segmentation: 0, classification: 1 } as const;

export interface MultitaskOptions {
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
  readonly retinoHidden: number;
  readonly edemaHidden: number;
  readonly layerScaleInit: number;
  /** Seed of dropout. */
  readonly seed: number;
}

/** Which rows of a batch each expert gets. Row numbers; a row may be in both or in neither. */
export interface Routes {
  readonly segmentation: readonly number[];
  readonly classification: readonly number[];
}

export interface MultitaskOutput {
  /** [N, 2]: segmentation, classification. */
  readonly gateLogits: Tensor;
  /** [rows routed to segmentation, H, W, 5] in the order MA, HE, EX, SE, OD; null where there are none. */
  readonly maskLogits: Tensor | null;
  /** [rows routed to classification, 5] and […, 3]; null where there are none. */
  readonly retinoLogits: Tensor | null;
  readonly edemaLogits: Tensor | null;
}

/** Linear - ReLU - Dropout - Linear, numbered as the published model's Sequential (0 and 3 have weights). */
function perceptron(
  inputs: number,
  hidden: number,
  outputs: number,
  dropout: number,
  random: RandomSource,
): Sequential {
  const drop = dropout > 0 ? random.dropout(dropout) : null;
  const dropLayer = new Lambda((x) => (dropLayer.training && drop ? drop(x) : x));
  return new Sequential(
    new Linear(inputs, hidden, { activation: 'relu' }), // index 0 and, fused, index 1
    new Lambda((x) => x),
    dropLayer,
    new Linear(hidden, outputs),
  );
}

/**
 * The ConvNeXt-gated multitask network (github.com/manish33scss/MultiClassModel_idrid, rebuilt): a shared trunk; a gate that tells
 * from pooled features which task an image is for; a segmentation expert (five lesion masks) and a classification expert
 * (retinopathy and macular edema grades). Only the expert that an image is routed to is run.
 */
export class GatedMultitaskNet extends Module {
  readonly trunk: ConvNeXt;
  readonly gate: Sequential;
  readonly decoder: Decoder;
  readonly retino: Sequential;
  readonly edema: Sequential;
  /** Seeds every dropout of the network. */
  readonly #random: RandomSource;

  constructor(options: MultitaskOptions) {
    super();
    const random = new RandomSource(options.seed);
    this.#random = random;
    const config = typeof options.trunk === 'string' ? CONVNEXT_VARIANTS[options.trunk] : options.trunk;
    const { dropPath: dropPathRate, layerScaleInit, headNorm, headDropout } = options;
    this.trunk = new ConvNeXt({ ...config, classes: 0, dropPathRate, layerScaleInit, headNorm, random });
    const features = this.trunk.channels[this.trunk.channels.length - 1];
    this.gate = perceptron(features, options.gateHidden, 2, headDropout, random);
    this.decoder = new Decoder({
      features: this.trunk.channels,
      channels: options.decoderChannels,
      classes: 5,
      skips: options.skipConnections,
      norm: options.decoderNorm,
      dropout: options.decoderDropout,
      prior: options.maskPrior,
      random,
    });
    this.retino = perceptron(features, options.retinoHidden, 5, headDropout, random);
    this.edema = perceptron(features, options.edemaHidden, 3, headDropout, random);
  }

  get random(): RandomSource {
    return this.#random;
  }

  /** The shared part: x [N, H, W, 3] → features of the four scales, pooled features and the gate's logits. */
  encode(x: Tensor): { features: Tensor[]; pooled: Tensor; gateLogits: Tensor } {
    return x.engine.scope(() => {
      const features = this.trunk.forwardFeatures(x);
      const pooled = this.trunk.pool(features[features.length - 1]);
      return { features, pooled, gateLogits: this.gate.forward(pooled) };
    });
  }

  /** Runs each expert on its rows, and not at all where it has none. */
  experts(encoded: { features: readonly Tensor[]; pooled: Tensor }, routes: Routes, height: number, width: number) {
    return engine().scope(() => {
      const { features, pooled } = encoded;
      const { segmentation, classification } = routes;
      const graded = classification.length > 0 ? F.selectRows(pooled, classification) : null;
      return {
        maskLogits:
          segmentation.length > 0
            ? this.decoder.forward(
                features.map((map) => F.selectRows(map, segmentation)),
                height,
                width,
              )
            : null,
        retinoLogits: graded && this.retino.forward(graded),
        edemaLogits: graded && this.edema.forward(graded),
      };
    });
  }

  /** Trunk, gate, and the experts along given routes. */
  forward(x: Tensor, routes: Routes): MultitaskOutput {
    const [, height, width] = x.shape;
    return x.engine.scope(() => {
      const encoded = this.encode(x);
      return { gateLogits: encoded.gateLogits, ...this.experts(encoded, routes, height, width) };
    });
  }

  override dispose(): void {
    super.dispose();
    this.#random.dispose();
  }
}
