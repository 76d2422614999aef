/** How unlike a network's training pictures a picture is, by one measure. */
import { type Cloud, deviationsOf, fitCloud, mahalanobis } from '../../metrics/mahalanobis.ts';
import type { PictureStatistics } from './pictureStatistics.ts';

/** A number of the measure: its name, how it is read, and the difference that never counts (another exposure, another JPEG quality). */
interface Trait {
  readonly name: string;
  readonly tolerance: number;
  readonly of: (statistics: PictureStatistics) => number;
}

const log = (value: number): number => Math.log10(value + 1e-4);

/** The picture's size is left out: the network is shown all pictures at one size. */
const TRAITS: readonly Trait[] = [
  ...(['red', 'green', 'blue'] as const).flatMap((color, channel): Trait[] => [
    { name: `mean ${color}`, tolerance: 0.03, of: ({ mean }) => mean[channel] },
    { name: `spread of ${color}`, tolerance: 0.015, of: ({ std }) => std[channel] },
  ]),
  ...(['fine', 'middle', 'coarse'] as const).map(
    (band, index): Trait => ({ name: `${band} detail`, tolerance: 0.05, of: ({ detail }) => log(detail[index]) }),
  ),
  { name: 'roundness', tolerance: 0.05, of: ({ roundness }) => roundness },
  { name: 'extent', tolerance: 0.1, of: ({ extent }) => extent },
];

/** Share of the training pictures that the limit leaves within. */
const QUANTILE = 0.99;

/** Fewest pictures that a look is fitted to. */
export const LEAST_LOOK_PICTURES = 20;

const rowOf = (statistics: PictureStatistics): number[] => TRAITS.map(({ of }) => of(statistics));

/** The look of a set of pictures; null for fewer than {@link LEAST_LOOK_PICTURES}, which say nothing of the next one. */
export function fitLook(pictures: readonly PictureStatistics[]): Cloud | null {
  if (pictures.length < LEAST_LOOK_PICTURES) return null;
  return fitCloud(
    pictures.map(rowOf),
    TRAITS.map(({ tolerance }) => tolerance),
    QUANTILE,
  );
}

/** How far a picture is off the training pictures. */
export interface Likeness {
  /** Mahalanobis' distance as a share of the limit that {@link QUANTILE} of the training pictures keep: above 1 the picture is unlike them. */
  readonly distance: number;
  readonly isLike: boolean;
  /** What is farthest off, with its distance in deviations of the training pictures: `mean red`, −4.1. */
  readonly farthest: { readonly trait: string; readonly deviations: number };
}

/** Holds a picture against the look of a network's training pictures. */
export function likenessTo(look: Cloud, statistics: PictureStatistics): Likeness {
  const row = rowOf(statistics);
  const distance = mahalanobis(row, look) / look.limit;
  const deviations = deviationsOf(row, look);
  const farthest = deviations.reduce(
    (most, value, index) => (Math.abs(value) > Math.abs(deviations[most]) ? index : most),
    0,
  );
  return {
    distance: Number(distance.toFixed(3)),
    isLike: distance <= 1,
    farthest: { trait: TRAITS[farthest].name, deviations: Number(deviations[farthest].toFixed(1)) },
  };
}
