/** Averages predictions of the same picture: of its mirror images, or of several networks. */
import { GmtlError } from '../../engine/errors.ts';
import { GRADED_TASKS, type GradedTask } from '../domain.ts';
import { disagreement } from '../metrics/uncertainty.ts';
import type { Prediction, Spread } from './prediction.ts';

function mean(parts: readonly (Float32Array | null)[], what: string, of: string): Float32Array | null {
  const known = parts.filter((part) => part !== null);
  if (known.length === 0) return null;
  if (known.length < parts.length) {
    throw new GmtlError(
      'infer/flips',
      `The ${what} of some ${of} only: the network routed them differently. Average with both experts running, then route.`,
    );
  }
  const sum = new Float32Array(known[0].length);
  for (const part of known) for (let index = 0; index < sum.length; index++) sum[index] += part[index] / known.length;
  return sum;
}

/** How far the grades of predictions disagree; null where they have none. */
export function spreadOf(parts: readonly Prediction[]): Spread {
  const of = (task: GradedTask): number | null => {
    const known = parts.flatMap((part) => part[task] ?? []);
    return known.length < parts.length ? null : disagreement(known);
  };
  return Object.fromEntries(GRADED_TASKS.map((task) => [task, of(task)])) as Spread;
}

/**
 * Probabilities averaged one by one; the route is the first's.
 *
 * @param parted what the parts are, for errors. @throws GmtlError `infer/flips` where an expert ran for some only.
 */
export function meanPrediction(parts: readonly Prediction[], parted: 'mirror images' | 'networks'): Prediction {
  const of = (key: 'gate' | 'masks' | GradedTask, what: string): Float32Array | null =>
    mean(
      parts.map((part) => part[key]),
      what,
      parted,
    );
  return {
    gate: of('gate', 'gate')!,
    routed: parts[0].routed,
    masks: of('masks', 'masks'),
    retinopathy: of('retinopathy', 'retinopathy grade'),
    edema: of('edema', 'edema grade'),
  };
}
