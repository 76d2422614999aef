/** The model card of a run: what its network is, and what it was trained on. */
import type { TrainConfig } from '../config/schema.ts';
import { OFFICIAL_COUNTS, OFFICIAL_MASKS, type Split } from '../domain.ts';
import { idridModelCard } from '../report/html/card.ts';
import type { ModelCard } from '../report/html/data.ts';

/** How many images of each task a split has. */
export type TaskCounts = Readonly<Record<Split, { readonly segmentation: number; readonly classification: number }>>;

/**
 * @param counts null where the run does not say what it was trained on.
 * @param synthetic whether its pictures were drawn by `gmtl data synth`.
 */
export function runModelCard(
  config: TrainConfig,
  parameters: number,
  counts: TaskCounts | null,
  synthetic = false,
): ModelCard {
  const trained = counts
    ? `, trained on ${counts.train.segmentation} images with masks and ${counts.train.classification} graded ones`
    : '';
  const data = synthetic
    ? 'Synthetic pictures that gmtl drew itself, not photographs of eyes: what the network says of a real photograph means nothing.'
    : counts === null
      ? 'Not recorded: these weights came without their run.'
      : isOfficial(counts)
        ? null
        : describeData(counts);
  return idridModelCard({
    network: `${describeNetwork(config)}, ${parameters.toLocaleString('en')} parameters${trained}.`,
    ...(data !== null && { data }),
  });
}

function describeNetwork({ model, data }: TrainConfig): string {
  const kind =
    model.architecture === 'resnet-unet'
      ? `ResNet U-Net with a router (encoder ${nameOf(model.unet.encoder)})`
      : `ConvNeXt-gated multitask network (trunk ${nameOf(model.trunk)})`;
  const grades = model.grades === 'both' ? 'retinopathy and macular edema grades' : `the grade of ${model.grades}`;
  const tiled = data.tiles.mode === 'on' ? ' on tiles' : '';
  return `${kind} for ${grades} and masks of ${model.structures.join(', ')} at ${data.imageSize} × ${data.imageSize} pixels${tiled}`;
}

function nameOf(size: string | Readonly<Record<string, readonly number[]>>): string {
  if (typeof size === 'string') return size;
  return `of its own: ${Object.entries(size)
    .map(([key, values]) => `${key} ${values.join(', ')}`)
    .join('; ')}`;
}

/** Whether a test split is IDRiD's own. */
export function isOfficialTest({ segmentation, classification }: TaskCounts[Split]): boolean {
  return segmentation === OFFICIAL_MASKS.test.images && classification === OFFICIAL_COUNTS.test.images;
}

function isOfficial({ train, val, test }: TaskCounts): boolean {
  return (
    train.segmentation + val.segmentation === OFFICIAL_MASKS.train.images &&
    train.classification + val.classification === OFFICIAL_COUNTS.train.images &&
    isOfficialTest(test)
  );
}

function describeData({ train, val, test }: TaskCounts): string {
  const part = (name: string, { segmentation, classification }: TaskCounts[Split]): string =>
    `${name} ${segmentation} with masks and ${classification} graded`;
  return `Photographs in the layout of IDRiD, but not the set as published: ${[part('train', train), part('validation', val), part('test', test)].join('; ')}. Figures on them are not comparable with published ones.`;
}
