/** The model card of a run: what its network is, and what it was trained on. */
import type { TrainConfig } from '../config/schema.ts';
import { OFFICIAL_COUNTS, OFFICIAL_MASKS, type Split } from '../domain.ts';
import { idridModelCard } from '../report/html/card.ts';
import type { ModelCard } from '../report/html/data.ts';
import { type TrainingSet, trainedOnText } from '../run/trainingSetFormat.ts';

/** How many images of each task a split has. */
export type TaskCounts = Readonly<Record<Split, { readonly segmentation: number; readonly classification: number }>>;

/**
 * @param counts null where the run does not say what it was trained on.
 * @param trainingSet null where the run does not say what its pictures are.
 */
export function runModelCard(
  config: TrainConfig,
  parameters: number,
  counts: TaskCounts | null,
  trainingSet: TrainingSet | null,
): ModelCard {
  const trained = counts
    ? `, trained on ${counts.train.segmentation} images with masks and ${counts.train.classification} graded ones`
    : '';
  const data = describeTraining(counts, trainingSet);
  return idridModelCard({
    network: `${describeNetwork(config)}, ${parameters.toLocaleString('en')} parameters${trained}.`,
    ...(data !== null && { data, limits: limitsOf(counts, trainingSet) }),
  });
}

/** Null for IDRiD as published, which the card describes at length. */
function describeTraining(counts: TaskCounts | null, trainingSet: TrainingSet | null): string | null {
  const line = `Trained on ${trainedOnText(trainingSet)}.`;
  if (trainingSet !== null && trainingSet.origin !== 'photographs') return line;
  if (counts === null) return 'Not recorded: these weights came without their run.';
  if (isOfficial(counts)) return null;
  return trainingSet === null
    ? `${describeData(counts)} Whether they are photographs is not recorded.`
    : `${describeData(counts)} ${line}`;
}

/** What a network cannot know because of its pictures, where they are not IDRiD as published. */
function limitsOf(counts: TaskCounts | null, trainingSet: TrainingSet | null): readonly string[] {
  if (trainingSet === null)
    return ['What its training pictures were is not recorded, so no figure says how it does on others.'];
  if (trainingSet.origin !== 'photographs') {
    return [
      'What was measured of it was measured on pictures like its training ones: figures elsewhere will be lower, and no one has measured by how much.',
    ];
  }
  const few =
    counts &&
    `Few images: ${counts.test.segmentation} with masks and ${counts.test.classification} graded ones in its test split. Rare grades stand on a handful of eyes.`;
  return [
    'Photographs of one set; of IDRiD’s, that is one camera, one clinic, one population: figures elsewhere will be lower, and no one has measured by how much.',
    ...(few === null ? [] : [few]),
    'Where graded and segmented images come from the same camera, a gate between the tasks has little to go by.',
  ];
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
  return `Pictures in the layout of IDRiD, but not the set as published: ${[part('train', train), part('validation', val), part('test', test)].join('; ')}. Figures on them are not comparable with published ones.`;
}
