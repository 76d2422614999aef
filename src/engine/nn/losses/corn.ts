/** What the CORN head's logits mean, on the host in float64. */
import { GmtlError } from '../../errors.ts';

/**
 * Probabilities of the K grades from one row of K - 1 CORN logits (Shi, Cao and Raschka 2021, arXiv 2111.08851, eq. 4): sigmoid(logit k) is
 * P(y > k | y > k - 1), so P(y > k) is the product of the first k + 1 of them, and P(y = k) = P(y > k - 1) (1 - sigmoid(logit k)).
 * They are not negative and sum to 1. Throws `tensor/shape` on an empty row.
 */
export function cornProbabilities(logits: ArrayLike<number>): Float64Array {
  if (logits.length === 0)
    throw new GmtlError('tensor/shape', 'cornProbabilities: a row needs one logit or more (two grades)');
  const probabilities = new Float64Array(logits.length + 1);
  let above = 1;
  for (let k = 0; k < logits.length; k++) {
    probabilities[k] = above / (1 + Math.exp(logits[k]));
    above /= 1 + Math.exp(-logits[k]);
  }
  probabilities[logits.length] = above;
  return probabilities;
}

/**
 * The grade that coral_pytorch's corn_label_from_logits predicts for a row: how many P(y > k) exceed 1/2. This is the median of
 * {@link cornProbabilities}; it need not be the most probable grade.
 */
export function cornLabel(logits: ArrayLike<number>): number {
  let above = 1;
  let label = 0;
  for (let k = 0; k < logits.length; k++) {
    above /= 1 + Math.exp(-logits[k]);
    if (above > 0.5) label++;
  }
  return label;
}
