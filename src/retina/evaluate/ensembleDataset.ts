/** The images on which an ensemble can be scored fairly: none that taught one of its networks. */
import { GmtlError } from '../../engine/errors.ts';
import type { Dataset, Split } from '../domain.ts';

/** A run's images as it splits them. */
export interface SplitOf {
  readonly run: string;
  readonly dataset: Dataset;
}

/**
 * The first run's images. Validation images that another run did not validate on too are left out, for they taught it.
 *
 * @param split that is to be scored.
 * @throws GmtlError `data/leak` where an image of that split is in another split of another run; for validation images they are left out.
 */
export function ensembleDataset([{ run, dataset }, ...others]: readonly SplitOf[], split: Split): Dataset {
  if (others.length === 0) return dataset;
  const splits = others.map((other) => ({
    run: other.run,
    of: new Map(other.dataset.items.map((item) => [item.id, item.split])),
  }));
  const differing = (id: string, own: Split) => splits.find(({ of }) => of.get(id) !== own);
  const scored = dataset.items.filter((item) => item.split === split);
  for (const { id } of split === 'val' ? [] : scored) {
    const other = differing(id, split);
    if (other) {
      throw new GmtlError(
        'data/leak',
        `${id} is in the ${split} split of ${run}, but ${other.of.get(id) ?? 'not among the images'} in ${other.run}: the ensemble cannot be scored on it`,
      );
    }
  }
  const items = dataset.items.filter(({ id, split: own }) => own !== 'val' || differing(id, 'val') === undefined);
  const left = dataset.items.length - items.length;
  const notes =
    left === 0
      ? []
      : [
          `${left} validation images of ${run} are left out: other networks of the ensemble trained on them (train all on one list of "gmtl data prepare" to validate on the same)`,
        ];
  return { ...dataset, items, notes: [...dataset.notes, ...notes] };
}
