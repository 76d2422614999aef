/** The five IDRiD structures in the order of every mask tensor's last axis. OD (the optic disc) is no lesion. */
export const STRUCTURES = ['MA', 'HE', 'EX', 'SE', 'OD'] as const;
export type Structure = (typeof STRUCTURES)[number];

export const STRUCTURE_NAMES: Readonly<Record<Structure, string>> = {
  MA: 'Microaneurysms',
  HE: 'Haemorrhages',
  EX: 'Hard Exudates',
  SE: 'Soft Exudates',
  OD: 'Optic Disc',
};

/** Number of diabetic retinopathy grades (0 … 4) and of macular edema risk grades (0 … 2). */
export const RETINOPATHY_GRADES = 5;
export const EDEMA_GRADES = 3;

export type Split = 'train' | 'val' | 'test';
export type Task = 'segmentation' | 'classification';
export const TASKS = ['segmentation', 'classification'] as const satisfies readonly Task[];

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
  /** Things worth telling the user that are no errors (what was left out, and why). */
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
