/** How unsure probabilities are, and how far several networks' probabilities disagree. Both from 0 to 1. */
import type { Numbers } from './inputs.ts';

/** −Σ p·ln p, in nats; a probability of 0 adds nothing. */
function entropy(probabilities: Numbers): number {
  let sum = 0;
  for (let index = 0; index < probabilities.length; index++) {
    const p = probabilities[index];
    if (p > 0) sum -= p * Math.log(p);
  }
  return sum;
}

/** The entropy of class probabilities as a share of the greatest, ln(classes): 0 is certain, 1 is an even guess. */
export const normalizedEntropy = (probabilities: Numbers): number =>
  Math.max(0, entropy(probabilities)) / Math.log(probabilities.length);

/**
 * How far class probabilities of the same picture disagree: the mean Kullback–Leibler divergence of each from their mean (Lakshminarayanan
 * et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017, section 3.5, there as a sum), which
 * equals the mean's entropy less the mean entropy; as a share of ln(classes). 0 where all say the same, however unsure they are.
 */
export function disagreement(members: readonly Numbers[]): number {
  const classes = members[0].length;
  const mean = Array.from(
    { length: classes },
    (_, index) => members.reduce((sum, one) => sum + one[index], 0) / members.length,
  );
  const within = members.reduce((sum, one) => sum + entropy(one), 0) / members.length;
  return Math.max(0, entropy(mean) - within) / Math.log(classes);
}
