import { GmtlError } from '../errors.ts';
import { argmax, checkProbabilities } from './inputs.ts';

/** What the gate said about one case: `probabilities` has one entry a route and sums to 1. */
export type GateCase = { readonly id: string; readonly truth: number; readonly probabilities: ArrayLike<number> };

/** A case that went to another route than its label's. */
export type Misroute = {
  readonly id: string;
  readonly truth: string;
  readonly routed: string;
  /** The gate's probability for the route taken. */
  readonly probability: number;
};

export type GateReport = {
  readonly cases: number;
  readonly accuracy: number;
  /** Mean Shannon entropy of the gate's output in nats: 0 is certain, ln(routes) is undecided. */
  readonly meanEntropy: number;
  /** By route: cases sent there, cases that belong there, and the mean probability given to it. */
  readonly routes: readonly { name: string; routed: number; truth: number; meanProbability: number }[];
  /** The most confident mistakes first. */
  readonly misroutes: readonly Misroute[];
};

/**
 * Scores the gate's hard route (argmax, lowest index on a tie) against each case's task.
 * @param routes names of the routes, in the order of the probabilities.
 * @throws GmtlError `metrics/empty`, or one naming the case whose label or probabilities are wrong.
 */
export function gateReport(cases: readonly GateCase[], routes: readonly string[]): GateReport {
  if (cases.length === 0) throw new GmtlError('metrics/empty', 'gateReport: no cases were given.');
  const routed = new Float64Array(routes.length);
  const truth = new Float64Array(routes.length);
  const mass = new Float64Array(routes.length);
  const misroutes: Misroute[] = [];
  let entropy = 0;
  for (const one of cases) {
    checkProbabilities(`gateReport, case ${one.id}`, [one.truth], one.probabilities, routes.length);
    const route = argmax(one.probabilities, 0, routes.length);
    routed[route]++;
    truth[one.truth]++;
    for (let index = 0; index < routes.length; index++) {
      const probability = one.probabilities[index];
      mass[index] += probability;
      // p·ln p tends to 0 with p.
      if (probability > 0) entropy -= probability * Math.log(probability);
    }
    if (route !== one.truth) {
      misroutes.push({
        id: one.id,
        truth: routes[one.truth],
        routed: routes[route],
        probability: one.probabilities[route],
      });
    }
  }
  return {
    cases: cases.length,
    accuracy: 1 - misroutes.length / cases.length,
    meanEntropy: entropy / cases.length,
    routes: routes.map((name, index) => ({
      name,
      routed: routed[index],
      truth: truth[index],
      meanProbability: mass[index] / cases.length,
    })),
    misroutes: misroutes.sort((left, right) => right.probability - left.probability),
  };
}
