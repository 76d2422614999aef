/** What the network says of one picture: its parts, and how they are put together from a prediction. */
import type { TrainConfig } from '../config/schema.ts';
import type { DecodedImage } from '../data/pictures/decoded.ts';
import type { DicomFacts } from '../data/pictures/dicomFacts.ts';
import type { Sample } from '../data/pictures/sample.ts';
import {
  type GradedTask,
  GRADINGS,
  type RgbImage,
  type Structure,
  STRUCTURE_NAMES,
  STRUCTURES,
  type Task,
  TASKS,
} from '../domain.ts';
import { countComponents } from '../metrics/components.ts';
import { decideGrade, type GradeDecision } from '../metrics/inputs.ts';
import { normalizedEntropy } from '../metrics/uncertainty.ts';
import { type Prediction, routeOf } from './prediction.ts';
import { type Referral, referralText } from './referral.ts';
import { type Trust, trustWarnings } from './trust.ts';

/** How unsure a grade is; all from 0 to 1, rounded to six decimals. */
export interface Uncertainty {
  /** Entropy of its probabilities: 0 certain, 1 an even guess. */
  readonly entropy: number;
  /** Disagreement of the picture's mirror images; absent without flips. */
  readonly flips?: number;
  /** Disagreement of an ensemble's networks; absent without one. */
  readonly networks?: number;
}

/** A grade, its name, and the probability of every grade from 0. */
export interface Grade {
  readonly grade: number;
  readonly name: string;
  readonly probabilities: readonly number[];
  readonly uncertainty: Uncertainty;
}

/** One structure in the original frame. */
export interface StructureResult {
  readonly name: string;
  readonly pixels: number;
  /** Pixels as a share of the whole frame. */
  readonly share: number;
  /** 8-connected regions. */
  readonly regions: number;
}

/** One value for each structure that the network segments. */
export type StructureRecord<T> = { readonly [K in Structure]?: T };

/** The network's answer for one image; null from an expert that did not run. Probabilities are rounded to six decimals. */
export interface InferResult {
  readonly file: string;
  readonly frame: { readonly width: number; readonly height: number };
  /** The square of the frame that the network saw; `left` and `top` are negative where it is padded. */
  readonly crop: { readonly left: number; readonly top: number; readonly size: number };
  readonly gate: {
    readonly task: Task;
    readonly probability: number;
    readonly probabilities: Readonly<Record<Task, number>>;
  };
  /** The experts that ran. */
  readonly experts: readonly Task[];
  readonly retinopathy: Grade | null;
  readonly edema: Grade | null;
  /** Absent where the run has no operating point, and no policy refers the picture. */
  readonly referral?: Referral;
  /** The structures that the network was trained for. */
  readonly lesions: StructureRecord<StructureResult> | null;
  /** Number of tiles that the masks come from; 0: from the whole picture. */
  readonly tiles: number;
  readonly trust: Trust;
  readonly warnings: readonly string[];
  /** What a DICOM file says of its picture; absent for other files. */
  readonly dicom?: Partial<DicomFacts>;
}

/** A result without what identifies a person: for logs. */
export function withoutIdentifiers(result: InferResult): InferResult {
  if (!result.dicom) return result;
  const { patientId: _patient, studyUid: _study, ...dicom } = result.dicom;
  return { ...result, dicom };
}

/** The result with the pictures it came from, both in the frame's size. */
export interface Inferred {
  readonly result: InferResult;
  readonly image: RgbImage;
  /** 0 or 1 per pixel; null where the segmentation expert did not run. */
  readonly masks: StructureRecord<Uint8Array> | null;
}

/** The last part of a path, of whichever system. */
const baseName = (path: string): string => path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);

/** A result as one line of readable text. */
export function summary({ file, gate, experts, retinopathy, edema, referral }: InferResult): string {
  const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
  const graded = ({ grade, name, probabilities }: Grade): string =>
    `${grade} ${name} (${percent(probabilities[grade])})`;
  const parts = [
    `${baseName(file)}: gate ${gate.task} (${percent(gate.probability)})`,
    ...(experts.length === 1 && experts[0] !== gate.task ? [`${experts[0]} as asked for`] : []),
    ...(retinopathy ? [`retinopathy ${graded(retinopathy)}`] : []),
    // The names of edema grades are half a sentence each.
    ...(edema ? [`edema risk ${edema.grade} (${percent(edema.probabilities[edema.grade])})`] : []),
    ...(referral ? [referralText(referral)] : []),
  ];
  return parts.join(', ');
}

const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;

/** The grade that a prediction decides on; null where it has none. */
export function gradeOf(task: GradedTask, prediction: Prediction, decision: GradeDecision): Grade | null {
  const { [task]: probabilities, spread } = prediction;
  if (probabilities === null) return null;
  const grade = decideGrade(decision, probabilities);
  const [flips, networks] = [spread?.flips?.[task], spread?.networks?.[task]];
  return {
    grade,
    name: GRADINGS[task].grades[grade],
    probabilities: Array.from(probabilities, rounded),
    uncertainty: {
      entropy: rounded(normalizedEntropy(probabilities)),
      ...(typeof flips === 'number' && { flips: rounded(flips) }),
      ...(typeof networks === 'number' && { networks: rounded(networks) }),
    },
  };
}

/** A prediction as a result. `sample` is the picture in its own colors. */
export function describeResult(
  file: string,
  image: DecodedImage,
  sample: Sample,
  prediction: Prediction,
  masks: StructureRecord<Uint8Array> | null,
  tiles: number,
  trust: Trust,
  { gradeDecision }: TrainConfig['model'],
): InferResult {
  const { gate, routed } = prediction;
  const { width, height } = image;
  const { left, top, size } = sample.box;
  const { task, probability } = routeOf({ gate });
  return {
    file,
    frame: { width, height },
    crop: { left, top, size },
    gate: {
      task,
      probability: rounded(probability),
      probabilities: { segmentation: rounded(gate[0]), classification: rounded(gate[1]) },
    },
    experts: TASKS.filter((expert) => routed[expert]),
    retinopathy: gradeOf('retinopathy', prediction, gradeDecision),
    edema: gradeOf('edema', prediction, gradeDecision),
    lesions: masks && structureResults(masks, width),
    tiles,
    trust,
    warnings: [...turnedText(image), ...(image.notes ?? []), ...suspicions(sample), ...trustWarnings(trust)],
    ...(image.dicom && { dicom: image.dicom }),
  };
}

/** A picture that was turned lies otherwise than its file's pixels: whoever draws on those must know. */
function turnedText({ orientation }: DecodedImage): string[] {
  if (orientation === 1) return [];
  return [
    `the file states EXIF orientation ${orientation}: the picture was turned as viewers show it, and so are masks and frame`,
  ];
}

function structureResults(masks: StructureRecord<Uint8Array>, width: number): StructureRecord<StructureResult> {
  const results: { [K in Structure]?: StructureResult } = {};
  for (const structure of STRUCTURES) {
    const mask = masks[structure];
    if (mask !== undefined) results[structure] = structureOf(structure, mask, width);
  }
  return results;
}

function structureOf(structure: Structure, mask: Uint8Array, width: number): StructureResult {
  const { components, pixels } = countComponents(mask, width);
  return { name: STRUCTURE_NAMES[structure], pixels, share: pixels / mask.length, regions: components };
}

/**
 * Reasons to doubt that the picture is a color fundus photograph. The retina's reflectance falls steeply from red to blue; gray
 * (red-free), inverted and unrelated pictures lack that.
 */
export function suspicions({ image, size, box }: Sample): string[] {
  const sums = [0, 0, 0];
  for (let at = 0; at < image.length; at += 3)
    for (let channel = 0; channel < 3; channel++) sums[channel] += image[at + channel];
  const [red, , blue] = sums;
  return [
    ...(isUniform(image) ? ['the picture is one uniform area: what the network says of it means nothing'] : []),
    ...(red < 1.2 * blue
      ? ['the picture is not reddish as color fundus photographs are: what the network says of it means nothing']
      : []),
    ...(box.size < size / 2
      ? [`the retina is only ${box.size} pixels wide where the network takes ${size}: small lesions are lost`]
      : []),
  ];
}

/** Whether no channel varies by more than camera noise. */
function isUniform(image: Uint8Array): boolean {
  for (let channel = 0; channel < 3; channel++) {
    let least = 255;
    let most = 0;
    for (let at = channel; at < image.length; at += 3) {
      least = Math.min(least, image[at]);
      most = Math.max(most, image[at]);
    }
    if (most - least > 8) return false;
  }
  return true;
}
