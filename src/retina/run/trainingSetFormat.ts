/** What a run's `training-set.json` holds: what its network was shown, and what those pictures look like. */
import { z } from 'zod';
import { GRADED_TASKS, GRADINGS } from '../domain.ts';

/** The look of the pictures as `fitLook` gives it. */
const lookSchema = z.object({
  mean: z.array(z.number()).readonly(),
  covariance: z.array(z.number()).readonly(),
  cases: z.int(),
  limit: z.number().positive(),
  quantile: z.number(),
});

const range = z.tuple([z.number(), z.number()]);
const channels = z.tuple([z.number(), z.number(), z.number()]);

/** What `training-set.json` holds. All counts are of the training split. */
export const trainingSetSchema = z.object({
  /** `synthetic`: drawn by `gmtl data synth`. */
  origin: z.enum(['synthetic', 'photographs', 'both']),
  pictures: z.int(),
  /** Pictures by the part of the data set. */
  parts: z.record(z.string(), z.int()),
  tasks: z.object({ segmentation: z.int(), classification: z.int() }),
  /** Pictures per grade from 0. */
  grades: z.object({ retinopathy: z.array(z.int()), edema: z.array(z.int()) }),
  /** Pictures that were measured for what follows: at most 100, evenly spaced. */
  measured: z.int(),
  /** Least and greatest width of the field of view, pixels; null where none was measured. */
  fieldPixels: range.nullable(),
  /** Means over the pictures of each channel's mean and deviation, 0 … 1. */
  color: z.object({ mean: channels, std: channels }).nullable(),
  /** 5th and 95th percentile of `focusOf`. */
  focus: range.nullable(),
  /** Null where too few were measured. */
  look: lookSchema.nullable(),
  /** Whose weights the network began with, and what those were trained on (null: not recorded). Null: with random ones. Absent: not recorded. */
  startedFrom: z.object({ weights: z.string(), trainedOn: z.string().nullable() }).nullable().optional(),
});

/** `training-set.json` of a run folder. */
export type TrainingSet = z.infer<typeof trainingSetSchema>;

const listed = (names: readonly (string | number)[]): string => names.join(', ');

/** What a network was trained on, in one line. */
export function trainedOnText(set: TrainingSet | null): string {
  if (set === null) return 'not recorded';
  const unreal =
    set.origin === 'synthetic' && 'not photographs of eyes: what it says of a real photograph means nothing';
  return [shownText(set), ...(unreal ? [unreal] : [])].join('; ');
}

/** What of it holds for a network that began with these weights too. */
export function shownText({ origin, pictures, parts, fieldPixels, grades, tasks, startedFrom }: TrainingSet): string {
  const kind = {
    synthetic: 'synthetic pictures',
    photographs: 'photographs',
    both: 'photographs and synthetic pictures',
  };
  const sizes = fieldPixels && `retinas ${[...new Set(fieldPixels)].join(' to ')} pixels wide`;
  const missing = GRADED_TASKS.flatMap((task) => {
    const absent = grades[task].flatMap((count, grade) => (count === 0 ? [grade] : []));
    return tasks.classification > 0 && absent.length > 0
      ? [`no ${GRADINGS[task].name} of grade ${listed(absent)}`]
      : [];
  });
  return [
    `${pictures} ${kind[origin]} (${listed(Object.entries(parts).map(([part, count]) => `part ${part}: ${count}`))})`,
    ...(sizes === null ? [] : [sizes]),
    ...missing,
    ...(startedFrom === undefined ? ['which weights it started from is not recorded'] : []),
    ...(startedFrom
      ? [`started from ${startedFrom.weights} (trained on ${startedFrom.trainedOn ?? 'what is not recorded'})`]
      : []),
  ].join('; ');
}

/** Synthetic pictures must not be taken for photographs. */
export function trainedOnCaveat(trainingSet: TrainingSet | null): string[] {
  if (trainingSet === null || trainingSet.origin === 'photographs') return [];
  return [`The network was trained on ${trainedOnText(trainingSet)}.`];
}
