/** One lesion's name in full and its colours. */
export type LesionColour = {
  readonly title: string;
  /** Red, green, blue on a retinal image. */
  readonly rgb: readonly [number, number, number];
  /** CSS colour for lines on white. */
  readonly onWhite: string;
};

/**
 * From Okabe & Ito's colour-blind-safe palette, each chosen against what it lies on: yellow on dark red haemorrhages, blue on
 * yellow hard exudates, and so on. Drawing order is that of the keys reversed: the small lesions end on top of the disc.
 */
export const LESION_COLOURS: Readonly<Record<string, LesionColour>> = {
  MA: { title: 'microaneurysms', rgb: [86, 180, 233], onWhite: '#56b4e9' },
  HE: { title: 'haemorrhages', rgb: [240, 228, 66], onWhite: '#e69f00' },
  EX: { title: 'hard exudates', rgb: [0, 114, 178], onWhite: '#0072b2' },
  SE: { title: 'soft exudates', rgb: [204, 121, 167], onWhite: '#cc79a7' },
  OD: { title: 'optic disc', rgb: [0, 158, 115], onWhite: '#009e73' },
};

/** The five structures of the IDRiD lesion set, in the order of legends and tables. */
export const STRUCTURES = ['MA', 'HE', 'EX', 'SE', 'OD'] as const;
export type Structure = (typeof STRUCTURES)[number];
