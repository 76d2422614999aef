/** A classifier's training step, ConvNeXt or ResNet, for `gmtl bench step`. */
import { setEngine } from '../src/engine/autograd/currentEngine.ts';
import { Engine } from '../src/engine/autograd/engine.ts';
import { Replay } from '../src/engine/autograd/replay.ts';
import type { Tensor } from '../src/engine/autograd/tensor.ts';
import { GmtlError } from '../src/engine/errors.ts';
import type { Capture } from '../src/engine/gpu/capture.ts';
import { CONVNEXT_VARIANTS, type ConvNeXtVariant, convnext } from '../src/engine/models/convnext.ts';
import { RESNET_VARIANTS, type ResNetVariant, resnet } from '../src/engine/models/resnet.ts';
import type { Module } from '../src/engine/nn/module.ts';
import type { Precision } from '../src/retina/network/network.ts';
import * as F from '../src/engine/nn/functional.ts';
import { AdamW, GradientGuard, LOSS_SCALING, noDecay } from '../src/engine/optim/index.ts';
import { Generator } from '../src/engine/tensor/random.ts';
import { parametersOf } from '../src/retina/train/build.ts';
import type { Backend } from '../src/engine/ops/backend.ts';
import type { StepWorkload } from './stepWorkload.ts';

export type ClassifierVariant = ConvNeXtVariant | ResNetVariant;

/** Names of the classifiers. */
export const CLASSIFIER_VARIANTS: readonly string[] = [
  ...Object.keys(CONVNEXT_VARIANTS),
  ...Object.keys(RESNET_VARIANTS),
];

export interface ClassifierOptions {
  readonly variant: ClassifierVariant;
  readonly batch: number;
  readonly size: number;
  readonly classes: number;
  /** See `ConvNeXtOptions`; ResNets keep everything. */
  readonly recompute?: boolean;
  /** Storage of activations. Default f32. With f16 the loss is scaled and gradients are searched for infinities, as in training. */
  readonly precision?: Precision;
}

export function isVariant(name: string): name is ClassifierVariant {
  return CLASSIFIER_VARIANTS.includes(name);
}

const isResNet = (name: ClassifierVariant): name is ResNetVariant => Object.hasOwn(RESNET_VARIANTS, name);

interface Classifier extends Module {
  forward(x: Tensor): Tensor;
}

function classifier({ variant, classes, recompute = false }: ClassifierOptions): Classifier {
  return isResNet(variant) ? resnet(variant, { classes }) : convnext(variant, { classes, recompute });
}

/** The network, softmax cross-entropy and AdamW on one made-up batch: the step that other engines are measured on too. */
class ClassifierWorkload implements StepWorkload {
  readonly name: string;
  readonly batch: number;
  readonly size: number;
  readonly parameters: number;
  readonly data = 'one made-up batch';
  readonly nextData = null;
  readonly #engine: Engine;
  readonly #optimizer: AdamW;
  readonly #compute: () => Tensor;
  readonly #parts: readonly { dispose(): void }[];
  #replay: Replay<Tensor> | null = null;

  constructor(backend: Backend, options: ClassifierOptions) {
    const { variant, batch, size, classes, recompute = false, precision = 'f32' } = options;
    const engine = new Engine(backend, { seed: 1 });
    setEngine(engine);
    const model = classifier(options);
    model.train();
    const parameters = parametersOf(model);
    const optimizer = new AdamW(noDecay(parameters, 0.05), { lr: 1e-3 });
    const gate = precision === 'f16' ? new GradientGuard(parameters, { lossScaling: LOSS_SCALING }) : null;
    const random = new Generator(2);
    const pixels = Float32Array.from({ length: batch * size * size * 3 }, () => 2 * random.uniform() - 1);
    const image = engine.tensor(pixels, [batch, size, size, 3]).keep();
    const truth = Int32Array.from({ length: batch }, () => random.integer(classes));
    const labels = engine.tensor(truth, [batch]).keep();
    const name = isResNet(variant) ? variant.replace('resnet', 'ResNet-') : `ConvNeXt-${variant}`;
    this.name = `${name} classifier, ${classes} classes${recompute ? ', blocks recomputed' : ''}${gate ? ', float16' : ''}`;
    this.batch = batch;
    this.size = size;
    this.parameters = model.parameterCount();
    this.#engine = engine;
    this.#optimizer = optimizer;
    this.#parts = [image, labels, optimizer, model, ...(gate ? [gate] : [])];
    this.#compute = () => {
      const loss = F.crossEntropy(model.forward(image.cast(precision)), labels);
      loss.backward(gate?.seed(loss));
      gate?.measure(loss);
      optimizer.update(gate ?? undefined);
      optimizer.zeroGrad();
      return loss.detach();
    };
  }

  get captured(): Capture | null {
    return this.#replay?.captured ?? null;
  }

  async run(_step: number): Promise<void> {
    this.#optimizer.advance();
    if (this.#replay) this.#replay.run();
    else this.#replay = await Replay.capture(this.#engine, this.#compute, { gradients: true });
    const value = await this.#replay.result.item();
    if (!Number.isFinite(value)) throw new GmtlError('bench/not-finite', `the loss of ${this.name} became ${value}`);
  }

  dispose(): void {
    this.#replay?.dispose();
    for (const part of this.#parts) part.dispose();
    setEngine(null);
  }
}

/** @throws GmtlError `bench/size` where the trunk cannot halve the images five times, `cli/usage` for what a ResNet cannot do. */
export function classifierWorkload(backend: Backend, options: ClassifierOptions): StepWorkload {
  const { size, batch, variant, recompute } = options;
  if (isResNet(variant) && recompute) {
    throw new GmtlError('cli/usage', `--recompute is for ConvNeXt and presets, not for ${variant}`);
  }
  if (!(Number.isInteger(size) && size >= 32 && size % 32 === 0)) {
    throw new GmtlError(
      'bench/size',
      `--size is ${size}: the trunk halves the image five times, so give a multiple of 32`,
    );
  }
  if (!(Number.isInteger(batch) && batch > 0)) {
    throw new GmtlError('bench/batch', `--batch is ${batch}: give a whole number of images from 1 on`);
  }
  return new ClassifierWorkload(backend, options);
}
