/** How figures are defined, and the model card of IDRiD's networks. */
import { OFFICIAL_COUNTS, OFFICIAL_MASKS } from '../../domain.ts';
import { FROC_CONVENTION } from '../../metrics/froc.ts';
import type { ModelCard } from './data.ts';

/** How this package defines its figures: the text of the report's section. */
export const CONVENTIONS: readonly string[] = [
  'The official test split is scored once with a checkpoint, thresholds and temperatures that were chosen on validation data only.',
  'Dice and IoU without further words are aggregated: true and false pixels of all images are summed first. They are undefined only if no image has any true or predicted pixel.',
  'Per image: an image whose truth and prediction are both empty is left out of the mean and counted; one empty and the other not is Dice 0 and IoU 0.',
  'AUPR exact is the average precision over all pixels (scikit-learn’s definition, probabilities in 10,000 levels). AUPR at 11 thresholds is the trapezoidal area at 0, 0.1, …, 1, as older papers report it; the two differ.',
  `FROC: ${FROC_CONVENTION}`,
  'Intervals are percentile bootstraps over images at 95 %. Figures on few images have wide ones: compare intervals, not digits.',
  'Precision of a grade that was never predicted counts as 0. The quadratic weighted kappa weighs a mistake by the square of its distance in grades. Joint: both grades of an image are right.',
  'The expected calibration error is the mean distance of confidence and accuracy over 15 bins of equal width, weighted by cases. Brier score: the sum over grades of squared errors, 0 to 2.',
  'Experts are scored on all images of their own task, so that the gate’s mistakes do not hide theirs; the gate is scored by its own accuracy.',
  '“n/a” marks what the data leaves undefined, such as the AUROC of a grade that does not occur.',
];

/** The facts of a run that {@link idridModelCard} needs. */
export interface ModelCardFacts {
  /** One sentence: the network, its size, what it was trained on. */
  readonly network: string;
  /** What the training and test images really were, if not IDRiD as published: synthetic, parts, derived labels. */
  readonly data?: string;
  /** What it cannot know because of these images. Default: IDRiD's. */
  readonly limits?: readonly string[];
}

/** What a network trained on IDRiD as published cannot know. */
const IDRID_LIMITS: readonly string[] = [
  'One camera, one clinic, one population: figures elsewhere will be lower, and no one has measured by how much.',
  `Few images: ${OFFICIAL_MASKS.test.images} with masks and ${OFFICIAL_COUNTS.test.images} graded ones in the official test split. Rare grades stand on a handful of eyes.`,
  'Graded and segmented images come from the same camera, so a gate between the tasks has little to go by.',
];

/** A model card for networks trained on IDRiD, with its attribution (CC BY 4.0). */
export function idridModelCard(facts: ModelCardFacts): ModelCard {
  const [masks, grades] = [OFFICIAL_MASKS, OFFICIAL_COUNTS];
  return {
    description: `${facts.network} Trained and scored with gmtl, a WebGPU deep-learning engine.`,
    intendedUse:
      'Research and teaching: comparing methods for grading diabetic retinopathy and macular edema and for segmenting retinal lesions and the optic disc, on color fundus photographs like those of IDRiD.',
    notIntendedFor:
      'Screening, diagnosis or treatment of people, with or without a physician in the loop. It has not been evaluated clinically and no authority has cleared it: it is not a medical device.',
    trainingData:
      facts.data ??
      `IDRiD, the Indian Diabetic Retinopathy Image Dataset: macula-centered photographs of 4288 × 2848 pixels from one eye clinic in Nanded, India, taken with one camera (Kowa VX-10α, 50° field of view). ${masks.train.images + masks.test.images} images have lesion masks (${masks.train.images} for training), ${grades.train.images + grades.test.images} are graded (${grades.train.images} for training).`,
    limits: [
      ...(facts.limits ?? IDRID_LIMITS),
      'Microaneurysms are a few pixels wide at native resolution; at reduced resolution most are lost.',
      'Probabilities are confidences of the network, not risks of a person.',
    ],
    licence:
      'Software: MIT. IDRiD © Prasanna Porwal, Samiksha Pachade and Manesh Kokare, licensed under Creative Commons Attribution 4.0 (CC BY 4.0); pictures on this page that show IDRiD photographs are cropped, scaled and overlaid with masks.',
    references: [
      {
        text: 'P. Porwal et al.: Indian Diabetic Retinopathy Image Dataset (IDRiD): A Database for Diabetic Retinopathy Screening Research. Data 3(3), 25, 2018.',
        url: 'https://doi.org/10.3390/data3030025',
      },
      {
        text: 'P. Porwal et al.: IDRiD: Diabetic Retinopathy – Segmentation and Grading Challenge. Medical Image Analysis 59, 101561, 2020.',
        url: 'https://doi.org/10.1016/j.media.2019.101561',
      },
      { text: 'Creative Commons Attribution 4.0 International.', url: 'https://creativecommons.org/licenses/by/4.0/' },
    ],
  };
}
