/** Answering only where it is likely to be right: risk against coverage, and how far to go. */
import type { Numbers } from './inputs.ts';

/** One answered picture. */
export interface SelectiveCase {
  /** The higher, the sooner it is answered. */
  readonly confidence: number;
  readonly isWrong: boolean;
}

/** The share of wrong answers (risk) among the most confident share of pictures (coverage). */
export interface RiskCoverage {
  /** One point per number of pictures answered, from 1. */
  readonly points: readonly { readonly coverage: number; readonly risk: number }[];
  /** The area under the curve: the mean of its risks. 0 is perfect; without any order it is the share of all wrong answers. */
  readonly aurc: number;
}

/**
 * The risk–coverage curve of selective classification (El-Yaniv and Wiener, JMLR 11, 2010; Geifman and El-Yaniv, "Selective Classification
 * for Deep Neural Networks", NeurIPS 2017). AURC is Geifman et al.'s, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers", ICLR 2019:
 * the mean over k of the risk of the k most confident. Among equally confident pictures each counts as the mean of them, so that their
 * order decides nothing.
 */
export function riskCoverage(cases: readonly SelectiveCase[]): RiskCoverage {
  const measure = weightedAurc(cases);
  const points: { coverage: number; risk: number }[] = [];
  const aurc = measure(new Uint32Array(cases.length).fill(1), (answered, wrong) =>
    points.push({ coverage: answered / cases.length, risk: wrong / answered }),
  );
  return { points, aurc };
}

/** AURC of a weighted sample of the cases, whose order is found once; NaN without cases. */
export function weightedAurc(cases: readonly SelectiveCase[]) {
  const order = Uint32Array.from(cases, (_, index) => index).sort(
    (one, other) => cases[other].confidence - cases[one].confidence,
  );
  const isSame = (place: number): boolean =>
    place < order.length && cases[order[place]].confidence === cases[order[place - 1]].confidence;
  return (weights: Numbers, visit?: (answered: number, wrong: number) => void): number => {
    let [answered, wrong, sum] = [0, 0, 0];
    let [tied, tiedWrong] = [0, 0];
    for (let place = 0; place < order.length; place++) {
      const weight = weights[order[place]];
      tied += weight;
      if (cases[order[place]].isWrong) tiedWrong += weight;
      if (isSame(place + 1)) continue;
      for (let of = 1; of <= tied; of++) {
        const wrongly = wrong + (tiedWrong * of) / tied;
        sum += wrongly / (answered + of);
        visit?.(answered + of, wrongly);
      }
      answered += tied;
      wrong += tiedWrong;
      [tied, tiedWrong] = [0, 0];
    }
    return sum / answered;
  };
}

/** P(at most `wrong` of `of`) for independent answers that are wrong with probability `risk`. */
function binomialTail(wrong: number, of: number, risk: number): number {
  if (risk <= 0) return 1;
  if (risk >= 1) return wrong >= of ? 1 : 0;
  let term = of * Math.log1p(-risk);
  let sum = Math.exp(term);
  for (let index = 1; index <= wrong; index++) {
    term += Math.log((of - index + 1) / index) + Math.log(risk) - Math.log1p(-risk);
    sum += Math.exp(term);
  }
  return Math.min(1, sum);
}

/** The highest risk under which `wrong` or fewer of `of` wrong answers still have a probability of `delta`: Clopper and Pearson's upper bound (Biometrika 26, 1934). */
export function riskBound(wrong: number, of: number, delta: number): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (binomialTail(wrong, of, middle) > delta) low = middle;
    else high = middle;
  }
  return high;
}

/** The chance at which a bound on the error may fail. */
const DELTA = 0.05;

/** How many of the most confident pictures are answered, and the bound that they keep. */
export interface SurestCases {
  readonly answered: number;
  readonly bound: number;
}

/**
 * Selection with guaranteed risk (Geifman and El-Yaniv 2017, algorithm 1): by bisection, the most pictures, most confident first, for which the
 * true share of wrong answers is at most `error` with a probability of 0.95: {@link riskBound} at 0.05 / ⌈log₂ pictures⌉, for that many bounds
 * are looked at. Null where not even few pictures keep it.
 */
export function selectByError(cases: readonly SelectiveCase[], error: number): SurestCases | null {
  const sorted = [...cases].sort((one, other) => other.confidence - one.confidence);
  const steps = Math.max(1, Math.ceil(Math.log2(sorted.length)));
  let [least, most] = [1, sorted.length];
  let best: SurestCases | null = null;
  for (let step = 0; step < steps && least <= most; step++) {
    const answered = Math.ceil((least + most) / 2);
    const wrong = sorted.slice(0, answered).filter(({ isWrong }) => isWrong).length;
    const bound = riskBound(wrong, answered, DELTA / steps);
    if (bound <= error) {
      if (best === null || answered > best.answered) best = { answered, bound };
      least = answered + 1;
    } else most = answered - 1;
  }
  return best;
}
