/** Weights classes by their counts. */
import { GmtlError } from '../../../engine/errors.ts';

/**
 * Class weights by the effective number of samples (Cui et al., "Class-Balanced Loss Based on Effective Number of Samples",
 * CVPR 2019, eq. 2 and section 4.2): w_c = (1 − beta) / (1 − beta^n_c), scaled so that the weights of the classes that occur
 * add up to their number. beta = 0 weights all equally; towards 1 it becomes the inverse frequency. A class without samples gets 0.
 *
 * @param counts samples of each class.
 * @param beta 0 … below 1; the paper uses 0.9, 0.99, 0.999, 0.9999.
 * @throws GmtlError `data/class-weights` when beta or a count is out of range, or no class has samples.
 */
export function effectiveNumberWeights(counts: readonly number[], beta: number): Float64Array {
  if (!(beta >= 0 && beta < 1)) {
    throw new GmtlError('data/class-weights', `beta is ${beta}; give a number from 0 to below 1, such as 0.99.`);
  }
  const bad = counts.findIndex((count) => !Number.isInteger(count) || count < 0);
  if (bad >= 0)
    throw new GmtlError('data/class-weights', `Class ${bad} has ${counts[bad]} samples: not a whole number.`);
  const present = counts.filter((count) => count > 0).length;
  if (present === 0) throw new GmtlError('data/class-weights', 'No class has a sample to weight by.');
  const raw = counts.map((count) => (count === 0 ? 0 : (1 - beta) / (1 - beta ** count)));
  const total = raw.reduce((sum, weight) => sum + weight, 0);
  return Float64Array.from(raw, (weight) => (weight * present) / total);
}
