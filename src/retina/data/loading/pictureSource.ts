/** Where the prepared pictures of a data set's items come from, as far as those who use them need to know. */
import type { DatasetItem } from '../../domain.ts';
import type { PreprocessOptions, Sample } from '../pictures/sample.ts';
import type { Normalization } from './augment.ts';

/** Prepares pictures as a network was trained to see them: `SampleSource` does so from files. */
export interface PictureSource {
  readonly options: {
    /** How pictures are prepared; `size` is the network's side. */
    readonly preprocess: PreprocessOptions;
    readonly normalization: Normalization;
  };
  /** What was left out, by item id. */
  readonly skipped: ReadonlyMap<string, { readonly item: DatasetItem; readonly reason: string }>;
  /** The item's picture, `size` pixels wide and high, with its masks; null where it is bad and may be left out. */
  sample(item: DatasetItem, size: number): Promise<Sample | null>;
}
