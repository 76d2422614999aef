/** The training steps that `gmtl bench step` measures: a ConvNeXt classifier, or a preset's multitask network on made-up batches. */
import { Engine, setEngine } from '../src/autograd/engine.ts';
import type { Tensor } from '../src/autograd/tensor.ts';
import { GmtlError } from '../src/errors.ts';
import { CONVNEXT_VARIANTS, type ConvNeXtVariant, convnext } from '../src/models/convnext.ts';
import * as F from '../src/nn/functional.ts';
import { AdamW, noDecay } from '../src/optim/index.ts';
import { Generator } from '../src/tensor/random.ts';
import { namedParameters } from '../src/train/build.ts';
import type { RecordingBackend } from './stepRecording.ts';

/** A training step that can be run again and again. */
export interface StepWorkload {
  /** `convnext atto, 1000 classes`. */
  readonly name: string;
  /** Images a step. */
  readonly batch: number;
  readonly size: number;
  readonly parameters: number;
  /** The host's part: what varies from step to step is written. */
  advance(step: number): void;
  /** The device's part, all of it; gives what is read back afterwards. */
  body(): Tensor;
  dispose(): void;
}

export interface ClassifierOptions {
  readonly variant: ConvNeXtVariant;
  readonly batch: number;
  readonly size: number;
  readonly classes: number;
}

export function isVariant(name: string): name is ConvNeXtVariant {
  return Object.hasOwn(CONVNEXT_VARIANTS, name);
}

/** ConvNeXt, softmax cross-entropy, AdamW; random images and labels. */
export function classifierWorkload(
  backend: RecordingBackend,
  { variant, batch, size, classes }: ClassifierOptions,
): StepWorkload {
  if (!(Number.isInteger(size) && size >= 32 && size % 32 === 0)) {
    throw new GmtlError(
      'bench/size',
      `--size is ${size}: the trunk halves the image five times, so give a multiple of 32`,
    );
  }
  const engine = new Engine(backend, { seed: 1 });
  setEngine(engine);
  const model = convnext(variant, { classes }).train();
  const optimizer = new AdamW(noDecay(namedParameters(model), 0.05), { lr: 1e-3 });
  const generator = new Generator(2);
  const pixels = Float32Array.from({ length: batch * size * size * 3 }, () => generator.uniform() * 2 - 1);
  const image = engine.tensor(pixels, [batch, size, size, 3]).keep();
  const labels = engine
    .tensor(
      Int32Array.from({ length: batch }, () => generator.integer(classes)),
      [batch],
    )
    .keep();
  return {
    name: `ConvNeXt-${variant} classifier, ${classes} classes`,
    batch,
    size,
    parameters: model.parameterCount(),
    advance: () => optimizer.advance(),
    body: () =>
      engine.scope(() => {
        const loss = F.crossEntropy(model.forward(image), labels);
        loss.backward();
        optimizer.update();
        optimizer.zeroGrad();
        return loss.detach().keep();
      }),
    dispose: () => {
      for (const part of [image, labels, optimizer, model]) part.dispose();
      setEngine(null);
    },
  };
}
