/** How well the gate routes images, and its figures' intervals. */
import { GmtlError } from '../../engine/errors.ts';
import {
  type BootstrapOptions,
  bootstrapIntervals,
  type Interval,
  type IntervalsOf,
  type Weights,
} from './bootstrap.ts';
import { expectedCalibrationError, type ReliabilityBin, reliabilityBins } from './calibration.ts';
import { argmax, checkProbabilities } from './inputs.ts';
import { weightedCalibrationError, weightedMean } from './weighted.ts';

/** The answer of the gate for one case: `probabilities` has one entry per route and sums to 1. */
export type GateCase = {
  readonly id: string;
  readonly truth: number;
  readonly probabilities: ArrayLike<number>;
  /** What sort of picture it is, apart from its route: pictures of one kind look alike to a gate. */
  readonly kind?: string;
};

/** A case that was sent to a route other than its label's. */
export type Misroute = {
  readonly id: string;
  readonly truth: string;
  readonly routed: string;
  /** The gate's probability for the route taken. */
  readonly probability: number;
};

/** One route; NaN where no case belongs there. */
export type GateRoute = {
  readonly name: string;
  /** Cases sent there. */
  readonly routed: number;
  /** Cases that belong there. */
  readonly truth: number;
  /** Mean probability given to it, over all cases. */
  readonly meanProbability: number;
  /** Share of the cases belonging there that were sent there. */
  readonly accuracy: number;
  /** Mean entropy (nats) over the cases that belong there. */
  readonly meanEntropy: number;
};

export type GateReport = {
  readonly cases: number;
  readonly accuracy: number;
  /** {@link attainableAccuracy}; undefined where no case has a kind. */
  readonly attainable?: number;
  /** Mean Shannon entropy of the gate's output in nats: 0 is certain, ln(routes) is undecided. */
  readonly meanEntropy: number;
  /** Of 15 bins by the chosen route's probability, as for grades. */
  readonly expectedCalibrationError: number;
  readonly reliability: readonly ReliabilityBin[];
  readonly routes: readonly GateRoute[];
  /** The most confident mistakes first. */
  readonly misroutes: readonly Misroute[];
};

/**
 * Scores the gate's hard route (argmax, lowest index on a tie) against each case's task.
 * @param routes names of the routes, in the order of the probabilities.
 * @throws GmtlError `metrics/empty`, or one naming the case whose label or probabilities are wrong.
 */
export function gateReport(cases: readonly GateCase[], routes: readonly string[]): GateReport {
  const { truth, route, entropy, probabilities } = gateValues(cases, routes.length);
  const all = cases.map((_, index) => index);
  const misroutes = all
    .filter((index) => route[index] !== truth[index])
    .map((index) => ({
      id: cases[index].id,
      truth: routes[truth[index]],
      routed: routes[route[index]],
      probability: cases[index].probabilities[route[index]],
    }));
  return {
    cases: cases.length,
    accuracy: 1 - misroutes.length / cases.length,
    attainable: attainableAccuracy(cases),
    meanEntropy: mean(entropy),
    expectedCalibrationError: expectedCalibrationError(truth, probabilities, routes.length),
    reliability: reliabilityBins(truth, probabilities, routes.length),
    routes: routes.map((name, label) => {
      const own = all.filter((index) => truth[index] === label);
      return {
        name,
        routed: route.filter((one) => one === label).length,
        truth: own.length,
        meanProbability: mean(cases.map((one) => one.probabilities[label])),
        accuracy: mean(own.map((index) => (route[index] === label ? 1 : 0))),
        meanEntropy: mean(own.map((index) => entropy[index])),
      };
    }),
    misroutes: misroutes.sort((left, right) => right.probability - left.probability),
  };
}

/**
 * The best accuracy on these cases of a gate that knows each case's kind and nothing else: it sends every kind to the route where most of
 * that kind belong. Where the routes' pictures come from one source, no gate can be expected to do better. Undefined where a case has no kind.
 */
export function attainableAccuracy(cases: readonly GateCase[]): number | undefined {
  const counts = new Map<string, Map<number, number>>();
  for (const { kind, truth } of cases) {
    if (kind === undefined) return undefined;
    const ofKind = counts.get(kind) ?? new Map<number, number>();
    counts.set(kind, ofKind.set(truth, (ofKind.get(truth) ?? 0) + 1));
  }
  let right = 0;
  for (const ofKind of counts.values()) right += Math.max(...ofKind.values());
  return right / cases.length;
}

/** Percentile intervals of a gate's figures, over the cases. */
export type GateIntervals = IntervalsOf<Record<'accuracy' | 'meanEntropy' | 'expectedCalibrationError', number>> & {
  readonly routes: readonly { readonly name: string; readonly accuracy: Interval; readonly meanEntropy: Interval }[];
};

/** Bootstrap intervals of {@link gateReport}'s figures. @throws GmtlError as gateReport, and `metrics/bootstrap`. */
export function gateIntervals(
  cases: readonly GateCase[],
  routes: readonly string[],
  options: BootstrapOptions = {},
): GateIntervals {
  const { truth, route, entropy, probabilities } = gateValues(cases, routes.length);
  const right = Float64Array.from(route, (one, index) => (one === truth[index] ? 1 : 0));
  const accuracy = weightedMean(right);
  const meanEntropy = weightedMean(entropy);
  const calibration = weightedCalibrationError(truth, probabilities, routes.length);
  const measure = (weights: Weights) => ({
    accuracy: accuracy(weights),
    meanEntropy: meanEntropy(weights),
    expectedCalibrationError: calibration(weights),
    routes: routes.map((_, label) => {
      const own = weights.map((weight, index) => (truth[index] === label ? weight : 0));
      return { accuracy: accuracy(own), meanEntropy: meanEntropy(own) };
    }),
  });
  const intervals = bootstrapIntervals(cases.length, measure, options);
  return { ...intervals, routes: intervals.routes.map((own, label) => ({ name: routes[label], ...own })) };
}

/** Each case's task, the route taken, the entropy of its probabilities, and the probabilities themselves (cases × routes). */
function gateValues(
  cases: readonly GateCase[],
  routes: number,
): { truth: Int32Array; route: Int32Array; entropy: Float64Array; probabilities: Float64Array } {
  if (cases.length === 0) throw new GmtlError('metrics/empty', 'gateReport: no cases were given.');
  for (const { id, truth, probabilities } of cases) {
    checkProbabilities(`gateReport, case ${id}`, [truth], probabilities, routes);
  }
  return {
    truth: Int32Array.from(cases, (one) => one.truth),
    route: Int32Array.from(cases, (one) => argmax(one.probabilities, 0, routes)),
    entropy: Float64Array.from(cases, (one) => entropyOf(one.probabilities)),
    probabilities: Float64Array.from(cases.flatMap((one) => Array.from(one.probabilities))),
  };
}

/** Shannon entropy in nats. */
function entropyOf(probabilities: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < probabilities.length; index++) {
    // p·ln p tends to 0 with p.
    if (probabilities[index] > 0) sum -= probabilities[index] * Math.log(probabilities[index]);
  }
  return sum;
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index];
  return sum / values.length;
}
