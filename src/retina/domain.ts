/** The domain's vocabulary: structures, grades and tasks with their names, IDRiD's official counts, and the items of a data set. */

/** The five IDRiD structures in the order of every mask tensor's last axis. OD (the optic disc) is not a lesion. */
export const STRUCTURES = ['MA', 'HE', 'EX', 'SE', 'OD'] as const;
export type Structure = (typeof STRUCTURES)[number];

/** The four lesions, over which papers on IDRiD average. */
export const LESIONS = ['MA', 'HE', 'EX', 'SE'] as const satisfies readonly Structure[];
export type Lesion = (typeof LESIONS)[number];

export const STRUCTURE_NAMES: Readonly<Record<Structure, string>> = {
  MA: 'Microaneurysms',
  HE: 'Haemorrhages',
  EX: 'Hard Exudates',
  SE: 'Soft Exudates',
  OD: 'Optic Disc',
};

/** A structure's name within a sentence: `hard exudates`. */
export const structureInText = (structure: Structure): string => STRUCTURE_NAMES[structure].toLowerCase();

/** What an image is graded for. */
export const GRADED_TASKS = ['retinopathy', 'edema'] as const;
export type GradedTask = (typeof GRADED_TASKS)[number];

/** Names of a graded task and of its grades from 0. */
export interface Grading {
  readonly title: string;
  /** As spelled within a sentence. */
  readonly name: string;
  readonly abbreviation: string;
  readonly note: string;
  readonly grades: readonly string[];
  /** For tables and charts, where the grades' names would fill the page. */
  readonly shortGrades: readonly string[];
  /** Names short enough for a caption, where the grades' own are too long. */
  readonly captions?: readonly string[];
}

/**
 * Retinopathy by the International Clinical Diabetic Retinopathy scale (Wilkinson et al., Ophthalmology 2003), edema by IDRiD's risk of
 * macular edema (Porwal et al., Data 2018).
 */
export const GRADINGS: Readonly<Record<GradedTask, Grading>> = {
  retinopathy: {
    title: 'Diabetic retinopathy',
    name: 'retinopathy',
    abbreviation: 'DR',
    note: 'Grades 1 to 3 are non-proliferative retinopathy.',
    grades: [
      'no apparent retinopathy',
      'mild non-proliferative',
      'moderate non-proliferative',
      'severe non-proliferative',
      'proliferative',
    ],
    shortGrades: ['0 none', '1 mild', '2 moderate', '3 severe', '4 proliferative'],
  },
  edema: {
    title: 'Risk of macular edema',
    name: 'macular edema',
    abbreviation: 'DME',
    note: 'Hard exudates: 0 none, 1 outside one disc diameter of the macula center, 2 within it.',
    grades: [
      'no apparent hard exudates',
      'hard exudates outside one disc diameter of the macula center',
      'hard exudates within one disc diameter of the macula center',
    ],
    shortGrades: ['0 none', '1 distant', '2 central'],
    captions: ['no hard exudates', 'hard exudates away from the macula', 'hard exudates near the macula'],
  },
};

/** Number of diabetic retinopathy grades (0 … 4) and of macular edema risk grades (0 … 2). */
export const GRADE_COUNTS = { retinopathy: 5, edema: 3 } as const satisfies Record<GradedTask, number>;

/** IDRiD's images per grade as published. */
export const OFFICIAL_COUNTS = {
  train: { images: 413, retinopathy: [134, 20, 136, 74, 49], edema: [177, 41, 195] },
  test: { images: 103, retinopathy: [34, 5, 32, 19, 13], edema: [45, 10, 48] },
} as const;

/** IDRiD's images with masks and its mask files per structure as published; fewer files where the structure is absent. */
export const OFFICIAL_MASKS = {
  train: { images: 54, MA: 54, HE: 53, EX: 54, SE: 26, OD: 54 },
  test: { images: 27, MA: 27, HE: 27, EX: 27, SE: 14, OD: 27 },
} as const;

export type Split = 'train' | 'val' | 'test';
/** The tasks that an image may serve, in the order of the gate's outputs (that of the published ConvNeXt system). */
export const TASKS = ['segmentation', 'classification'] as const;
export type Task = (typeof TASKS)[number];
/** Index of each task in the gate's output. */
export const TASK_INDEX = { segmentation: 0, classification: 1 } as const satisfies Record<Task, number>;

/** A mask file per structure; null: no file, which in IDRiD means that the structure is absent from the image. */
export type MaskPaths = Readonly<Record<Structure, string | null>>;

/** One image with what is known about it. All paths are absolute. */
export interface DatasetItem {
  /** Unique, e.g. `A/train/IDRiD_01`: part B numbers its training and testing images from 1 again. */
  readonly id: string;
  /** `A` (segmentation) or `B` (disease grading) of IDRiD; free text in other data sets. */
  readonly part: string;
  readonly split: Split;
  readonly task: Task;
  readonly imagePath: string;
  /** null on classification rows. */
  readonly maskPaths: MaskPaths | null;
  /** Diabetic retinopathy grade 0 … 4, null where not graded. */
  readonly retinopathy: number | null;
  /** Risk of macular edema 0 … 2, null where not graded. */
  readonly edema: number | null;
}

/** A data set opened for use. */
export interface Dataset {
  /** The folder or metadata file it came from. */
  readonly source: string;
  readonly items: readonly DatasetItem[];
  /** Notes for the user that are not errors (what was left out, and why). */
  readonly notes: readonly string[];
}

/** The items of a split, optionally of one task, in the data set's fixed order. */
export function selectItems(dataset: Dataset, split: Split, task?: Task): DatasetItem[] {
  return dataset.items.filter((item) => item.split === split && (task === undefined || item.task === task));
}

/** A mask path record with nothing in it. */
export function noMasks(): Record<Structure, string | null> {
  return { MA: null, HE: null, EX: null, SE: null, OD: null };
}

/** An 8-bit RGB picture, row by row, three bytes per pixel. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}
