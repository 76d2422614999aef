/**
 * Learning-rate schedules as pure functions: step (0 for the first) → factor of the peak learning rate. Past the last step
 * they keep their last value.
 */
import { checkAttributes } from '../arguments.ts';
import { GmtlError } from '../errors.ts';

/** The factor of the base learning rate at step 0, 1, 2, … */
export type Schedule = (step: number) => number;

function requireSteps(name: string, steps: number, least: number): void {
  if (!Number.isInteger(steps) || steps < least) {
    throw new GmtlError('optim/schedule', `${name} cannot be ${steps}: it is a whole number, at least ${least}`);
  }
}

const WARMUP = { warmupSteps: 'real?', warmupFactor: 'real?' } as const;
const DECAY = { ...WARMUP, totalSteps: 'real?', minFactor: 'real?' } as const;

/** A linear rise at the start. */
export interface WarmupOptions {
  /** Steps of linear warm-up before the schedule proper. Default 0. */
  readonly warmupSteps?: number;
  /** Factor at step 0 of the warm-up. Default 0 (timm's warmup_lr divided by lr). */
  readonly warmupFactor?: number;
}

/**
 * Linear from `warmupFactor` to 1 over `warmupSteps`, then `schedule` counted from there (timm's warmup_prefix; torch's
 * SequentialLR of LinearLR and the schedule).
 */
function afterWarmup(schedule: Schedule, { warmupSteps = 0, warmupFactor = 0 }: WarmupOptions): Schedule {
  requireSteps('warmupSteps', warmupSteps, 0);
  return (step) =>
    step < warmupSteps
      ? warmupFactor + ((1 - warmupFactor) * Math.max(0, step)) / warmupSteps
      : schedule(step - warmupSteps);
}

/** Steps left to the schedule proper. */
function stepsAfterWarmup(totalSteps: number, { warmupSteps = 0 }: WarmupOptions): number {
  requireSteps('totalSteps', totalSteps, 1);
  if (warmupSteps >= totalSteps) {
    throw new GmtlError(
      'optim/schedule',
      `${warmupSteps} steps of warm-up leave none of ${totalSteps}: train longer or warm up less`,
    );
  }
  return totalSteps - warmupSteps;
}

/** Factor 1 at every step after the warm-up. @throws GmtlError `optim/schedule` for what are not counts of steps; so do all schedules. */
export function constant(options: WarmupOptions = {}): Schedule {
  checkAttributes('constant', WARMUP, options);
  return afterWarmup(() => 1, options);
}

/** Options of {@link cosine}. */
export interface DecayOptions extends WarmupOptions {
  /** All steps, the warm-up among them. */
  readonly totalSteps: number;
  /** Factor from `totalSteps` on. Default 0. */
  readonly minFactor?: number;
}

/** Half a cosine from 1 to `minFactor` after the warm-up (timm's CosineLRScheduler with warmup_prefix, one cycle). */
export function cosine(options: DecayOptions): Schedule {
  checkAttributes('cosine', DECAY, options);
  const { totalSteps, minFactor = 0, ...warmup } = options;
  const steps = stepsAfterWarmup(totalSteps, warmup);
  return afterWarmup(
    (step) => minFactor + 0.5 * (1 - minFactor) * (1 + Math.cos((Math.PI * Math.min(step, steps)) / steps)),
    warmup,
  );
}

/** minFactor + (1 - minFactor) (1 - step / steps)^power after the warm-up; with minFactor 0 torch's PolynomialLR. */
export function polynomial(options: DecayOptions & { readonly power?: number }): Schedule {
  checkAttributes('polynomial', { ...DECAY, power: 'real?' }, options);
  const { totalSteps, minFactor = 0, power = 1, ...warmup } = options;
  const steps = stepsAfterWarmup(totalSteps, warmup);
  return afterWarmup((step) => minFactor + (1 - minFactor) * (1 - Math.min(step, steps) / steps) ** power, warmup);
}

/** Options of {@link oneCycle}. */
export interface OneCycleOptions {
  readonly totalSteps: number;
  /** Share of the steps in which the rate rises. Default 0.3. */
  readonly pctStart?: number;
  /** The first factor is 1 / divFactor. Default 25. */
  readonly divFactor?: number;
  /** The last factor is 1 / (divFactor finalDivFactor). Default 1e4. */
  readonly finalDivFactor?: number;
}

/** Smith and Topin 2018 as torch.optim.lr_scheduler.OneCycleLR with cosine annealing and two phases; the factor is of max_lr. */
export function oneCycle(options: OneCycleOptions): Schedule {
  const kinds = { totalSteps: 'real?', pctStart: 'real?', divFactor: 'real?', finalDivFactor: 'real?' } as const;
  checkAttributes('oneCycle', kinds, options);
  const { totalSteps, pctStart = 0.3, divFactor = 25, finalDivFactor = 1e4 } = options;
  requireSteps('totalSteps', totalSteps, 1);
  if (!(pctStart >= 0 && pctStart <= 1))
    throw new GmtlError('optim/schedule', `pctStart cannot be ${pctStart}: it lies between 0 and 1`);
  const first = 1 / divFactor;
  const last = first / finalDivFactor;
  const peak = pctStart * totalSteps - 1;
  const end = totalSteps - 1;
  const anneal = (from: number, to: number, part: number) => to + ((from - to) / 2) * (1 + Math.cos(Math.PI * part));
  return (step) => {
    const at = Math.min(Math.max(0, step), end);
    if (at <= peak) return peak > 0 ? anneal(first, 1, at / peak) : 1;
    return anneal(1, last, (at - peak) / (end - peak));
  };
}
