/** Networks for tests of exports: a preset's own, with weights that let every part show in the outputs. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Parameter } from '../../engine/nn/parameter.ts';
import { Generator } from '../../engine/tensor/random.ts';
import { resolveConfig } from '../config/resolve.ts';
import type { PartialConfig, TrainConfig } from '../config/schema.ts';
import { buildModel } from '../network/build.ts';
import type { MultitaskNet } from '../network/network.ts';

/** Numbers near those that a trained parameter has: layer scales and statistics that are not trivial. */
function trained(name: string, { size, externalShape }: Parameter, generator: Generator): Float32Array {
  const draw = (scale: number, offset: number) =>
    Float32Array.from({ length: size }, () => offset + scale * (2 * generator.uniform() - 1));
  if (name.endsWith('num_batches_tracked')) return Float32Array.of(7);
  if (name.endsWith('running_mean')) return draw(0.2, 0);
  if (name.endsWith('running_var')) return draw(0.4, 1);
  if (name.endsWith('gamma')) return draw(0.2, 0.3);
  if (name.endsWith('bias')) return draw(0.1, 0);
  if (externalShape.length === 1) return draw(0.3, 0.9);
  const fanIn = externalShape.slice(1).reduce((product, extent) => product * extent, 1);
  return draw(Math.sqrt(4 / fanIn), 0);
}

/** A preset's network at another size of pictures, with seeded weights. The caller disposes of it. */
export function presetModel(
  engine: Engine,
  preset: string,
  changes: PartialConfig = {},
): { model: MultitaskNet; config: TrainConfig } {
  const config = resolveConfig({
    preset,
    file: { origin: 'the test', values: { ...changes, data: { ...changes.data, imageSize: 64 } } },
  });
  const model = buildModel(engine, config);
  const generator = new Generator(12);
  for (const [name, parameter] of model.namedTensors()) parameter.write(trained(name, parameter, generator));
  return { model: model.eval() as MultitaskNet, config };
}
