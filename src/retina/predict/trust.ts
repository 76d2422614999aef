/** How far a picture's result can be trusted: what the network was trained on, how unlike that the picture is, and whether it can be graded at all. */
import { type Gradability, gradabilityOf } from '../data/pictures/gradability.ts';
import { type Likeness, likenessTo } from '../data/pictures/likeness.ts';
import {
  MEASURED_AS,
  type PictureStatistics,
  pictureStatistics,
  whereFieldIsSeen,
} from '../data/pictures/pictureStatistics.ts';
import type { PreprocessOptions, Sample } from '../data/pictures/sample.ts';
import type { Doubt } from '../metrics/referralCase.ts';
import { type TrainingSet, trainedOnText } from '../run/trainingSetFormat.ts';

/** What the picture alone tells of the result. */
export interface Trust {
  /** What the network was trained on, in one line; `not recorded` for runs of before version 0.2. */
  readonly trainedOn: string;
  /** Null where the run has no record of its pictures' look, or the picture shows no field of view. */
  readonly likeness: Likeness | null;
  readonly gradability: Gradability;
}

/** Judges a picture before the network sees it. @param trainingSet of the network; null where it is not recorded. */
export async function judgePicture(
  prepare: (options: PreprocessOptions) => Promise<Sample>,
  trainingSet: TrainingSet | null,
): Promise<Trust> {
  return trustOf(await whereFieldIsSeen(prepare(MEASURED_AS).then(pictureStatistics)), trainingSet);
}

/** As {@link judgePicture}, of a picture that was measured; null: it shows no field of view. */
export function trustOf(statistics: PictureStatistics | null, trainingSet: TrainingSet | null): Trust {
  const look = trainingSet?.look ?? null;
  return {
    trainedOn: trainedOnText(trainingSet),
    likeness: look && statistics && likenessTo(look, statistics),
    gradability: gradabilityOf(statistics),
  };
}

/** Why no score decides on the picture; null where one does. */
export function doubtOf({ likeness, gradability }: Trust): Doubt | null {
  if (!gradability.gradable) return 'ungradable';
  return likeness && !likeness.isLike ? 'unlike' : null;
}

/** What of it is a reason for doubt, as warnings. */
export function trustWarnings({ likeness, gradability }: Trust): string[] {
  const reasons = gradability.reasons.map(({ text }) => text).join('; ');
  return [
    ...(likeness && !likeness.isLike
      ? [
          `unlike the pictures that the network was trained on (${likeness.distance.toFixed(1)} times as far off as 99 % of them, most in ${likeness.farthest.trait}): what it says here was never tested`,
        ]
      : []),
    ...(gradability.gradable ? [] : [`not gradable: ${reasons}`]),
  ];
}
