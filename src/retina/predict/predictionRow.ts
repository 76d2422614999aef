/** One row of predictions.csv and predictions.jsonl: every column with its type and what it says, stated once. docs/predictions.schema.json is made of it. */
import { z } from 'zod';
import { GRADE_COUNTS, type GradedTask, GRADINGS, type Structure, STRUCTURE_NAMES, TASKS } from '../domain.ts';

/** Names the meaning of the columns. New columns leave it; a column that goes, or says something else, raises it. */
export const PREDICTIONS_SCHEMA = 'gmtl-predictions-1';

const text = (about: string) => z.string().describe(about);
const number = (about: string) => z.number().describe(about);
const count = (about: string) => z.int().min(0).describe(about);
const share = (about: string) => z.number().min(0).max(1).describe(about);

type Columns<Name extends string> = Record<Name, z.ZodType>;
type GradeColumn = `${GradedTask}${'' | '_true' | `_p${number}` | '_entropy' | '_flips' | '_networks'}`;
type StructureColumn = `${Structure}_${'pixels' | 'share' | 'regions' | 'dice'}`;

const gradeColumns = (task: GradedTask) => {
  const grade = z
    .int()
    .min(0)
    .max(GRADE_COUNTS[task] - 1);
  const named: Record<string, z.ZodType> = {
    [`${task}_true`]: grade.describe(`True grade of ${task}.`),
    [task]: grade.describe(`Predicted grade of ${task}.`),
    ...Object.fromEntries(
      GRADINGS[task].grades.map((name, index) => [
        `${task}_p${index}`,
        share(`Probability of grade ${index}, ${name}.`),
      ]),
    ),
    [`${task}_entropy`]: share('Entropy of these probabilities: 0 certain, 1 an even guess.'),
    [`${task}_flips`]: share("Disagreement of the picture's mirror images on this grade; absent without --tta."),
    [`${task}_networks`]: share("Disagreement of an ensemble's networks on this grade; absent without one."),
  };
  return named as Columns<GradeColumn>;
};

const structureColumns = (structure: Structure) => {
  const name = STRUCTURE_NAMES[structure];
  const named: Record<string, z.ZodType> = {
    [`${structure}_pixels`]: count(`Pixels of the photograph marked as ${name}.`),
    [`${structure}_share`]: share(`Share of the photograph marked as ${name}.`),
    [`${structure}_regions`]: count(`8-connected regions marked as ${name}.`),
    [`${structure}_dice`]: share(
      `Dice of the mask of ${name} at the threshold 0.5; absent where neither truth nor prediction has it.`,
    ),
  };
  return named as Columns<StructureColumn>;
};

/** What made a row: the same for all rows of one command. */
const provenanceColumns = {
  schema: z.literal(PREDICTIONS_SCHEMA).describe('The meaning of the columns.'),
  gmtl: text('Version of gmtl.'),
  model: text('The first 16 hexadecimal digits of the SHA-256 of the weights: names, shapes and elements.'),
  adapter: text('The adapter that computed it.'),
  preprocessing: text(
    'The first 16 hexadecimal digits of the SHA-256 of how pictures are prepared: size, crop, CLAHE, Ben Graham, mean and deviation.',
  ),
};

/** In the order of the table. */
const columns = {
  id: text('The image in its data set, or as the list of pictures names it.'),
  file: text("The image's path."),
  frame: z.int().min(1).describe('The frame of a DICOM file with several, from 1.'),
  patient: text('Patient ID, of the list of pictures or the DICOM file.'),
  study: text('Study Instance UID of the DICOM file.'),
  eye: text('The eye, of the list of pictures or the DICOM file: left, right or both.'),
  row_spacing: number('Millimeters between rows of pixels, of the DICOM file.'),
  column_spacing: number('Millimeters between columns of pixels, of the DICOM file.'),
  width: count('Width of the photograph, pixels.'),
  height: count('Height of the photograph, pixels.'),
  task: z.enum(TASKS).describe('Segmentation for an image with masks, classification for a graded one.'),
  gate: z.enum(TASKS).describe('The task that the gate chose.'),
  gate_p: share('The probability of that task.'),
  gate_segmentation: share("The gate's probability of segmentation."),
  gate_classification: share("The gate's probability of classification."),
  ...gradeColumns('retinopathy'),
  ...gradeColumns('edema'),
  referral_true: z
    .enum(['refer', 'none'])
    .describe('Whether the true grades are to be referred, by the rule of the run.'),
  referral: z
    .enum(['refer', 'none', 'unsure'])
    .describe(
      'Whether the eye is referred, by score or, where that was asked for, because the picture cannot be graded; unsure: a person has to look, because the score is near the operating point, the picture cannot be graded, or it is unlike the training pictures.',
    ),
  referral_p: share(
    'How much speaks for a referral: the greatest calibrated probability of a grade that is referred. Absent where the run has no operating point.',
  ),
  ...structureColumns('MA'),
  ...structureColumns('HE'),
  ...structureColumns('EX'),
  ...structureColumns('SE'),
  ...structureColumns('OD'),
  tiles: count('How many tiles the masks come from; 0: from the whole picture.'),
  unlike: number(
    "How far off the network's training pictures the picture is: above 1 farther than 99 % of them. Absent where the run does not record them.",
  ),
  gradable: z.enum(['yes', 'no']).describe('Whether the photograph can be graded.'),
  faults: text('What speaks against it: focus, exposure, field, size, separated by "; ".'),
  warnings: text('Reasons to doubt the picture, separated by "; ".'),
  error: text('Why nothing was predicted.'),
  ...provenanceColumns,
};

/** A column of the table. */
export type PredictionColumn = keyof typeof columns;

/** One row; a cell is empty where it is left out or null. */
export type PredictionRow = { readonly [column in PredictionColumn]?: string | number | null };

/** What made a row. */
export type Provenance = { readonly [column in keyof typeof provenanceColumns]: string };

export const COLUMNS = Object.keys(columns) as readonly PredictionColumn[];

/** A row of predictions.jsonl: cells without a value are left out. */
export const predictionRowSchema = z.looseObject(columns).partial().required({ file: true });

/** A row of predictions.csv, whose cells are text, as one of predictions.jsonl, in the table's order. */
export function typedRow(row: PredictionRow): Record<string, string | number> {
  const cells = COLUMNS.flatMap((column) => {
    const value = row[column];
    if (value === null || value === undefined || value === '') return [];
    return [[column, columns[column] instanceof z.ZodNumber ? Number(value) : value] as const];
  });
  return Object.fromEntries(cells);
}

/** The schema of a row of predictions.jsonl, as docs/predictions.schema.json holds it. */
export function predictionsJsonSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(predictionRowSchema),
    $id: PREDICTIONS_SCHEMA,
    title: 'A row of predictions.jsonl',
    description:
      'One picture. predictions.csv has the same columns, with empty cells for what is left out here. New columns may be added; one that goes or changes its meaning makes a new $id.',
  };
}
