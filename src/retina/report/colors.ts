/** The color of each structure on photographs, in charts and in legends. */
import type { Structure } from '../domain.ts';

export type StructureColor = {
  /** Red, green, blue on a retinal image. */
  readonly rgb: readonly [number, number, number];
  /** CSS color for lines on white. */
  readonly onWhite: string;
};

/**
 * From Okabe & Ito's color-blind-safe palette, each chosen against what it lies on: yellow on dark red haemorrhages, blue on
 * yellow hard exudates, and so on. Drawing order is that of `STRUCTURES` reversed: the small lesions end on top of the disc.
 */
export const STRUCTURE_COLORS: Readonly<Record<Structure, StructureColor>> = {
  MA: { rgb: [86, 180, 233], onWhite: '#56b4e9' },
  HE: { rgb: [240, 228, 66], onWhite: '#e69f00' },
  EX: { rgb: [0, 114, 178], onWhite: '#0072b2' },
  SE: { rgb: [204, 121, 167], onWhite: '#cc79a7' },
  OD: { rgb: [0, 158, 115], onWhite: '#009e73' },
};

/** The CSS color of a structure's lines; undefined for a name that is not a structure's. */
export const lineColor = (name: string): string | undefined =>
  (STRUCTURE_COLORS as Readonly<Record<string, StructureColor | undefined>>)[name]?.onWhite;
