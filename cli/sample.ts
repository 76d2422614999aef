/** `gmtl infer --sample N`: a look at random images of a run's split. */
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Split } from '../src/retina/domain.ts';
import { GmtlError } from '../src/engine/errors.ts';
import { newestRun } from '../src/retina/run/trainedWeights.ts';
import { sampleFiles } from '../src/retina/evaluate/sampleFiles.ts';
import { describeWriteError } from '../src/engine/node/atomic.ts';
import { argmax, decideGrade } from '../src/retina/metrics/inputs.ts';
import { buildModel } from '../src/retina/network/build.ts';
import type { Seen } from '../src/retina/evaluate/collect.ts';
import { openRun, openWeights } from '../src/retina/run/dataset.ts';
import type { Evaluation } from '../src/retina/evaluate/summary.ts';
import { restoreWeights } from '../src/retina/network/weights.ts';
import { withPrecision } from './precision.ts';
import { withEngine } from '../src/engine/node/createEngine.ts';

export interface SampleArguments {
  readonly sample: number;
  readonly split: Split;
  readonly seed: number;
  readonly checkpoint?: string;
  readonly data?: string;
  readonly weights: 'average' | 'raw';
  readonly tta: boolean;
  readonly out: string;
  readonly overwrite: boolean;
  readonly precision?: 'f32' | 'f16';
  readonly adapter: string;
}

function prepareFolder(folder: string, overwrite: boolean): void {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw describeWriteError(error, folder);
  }
  const present = Object.values(sampleFiles(folder)).find((file) => existsSync(file));
  if (present !== undefined && !overwrite) {
    throw new GmtlError(
      'infer/exists',
      `${present} is there already. Add --overwrite to replace an earlier sample, or choose another folder with --out.`,
    );
  }
}

/** One image of a sample in a line: the gate (where one was trained), and what was predicted beside what is true. */
export function sampleLine(
  { item, prediction }: Seen,
  { segmentation, gradeDecision }: Evaluation,
  hasGate = true,
): string {
  const route = argmax(prediction.gate, 0, 2) === 0 ? 'segmentation' : 'classification';
  const sure = `${(100 * Math.max(...prediction.gate)).toFixed(0)} %`;
  const gate = route === item.task ? `gate ${route} (${sure})` : `MISROUTED to ${route} (${sure})`;
  const grade = (name: string, truth: number | null, values: Float32Array | null): string[] =>
    truth === null || values === null ? [] : [`${name} ${decideGrade(gradeDecision, values)} (truth ${truth})`];
  const dice = Object.entries(segmentation ?? {}).flatMap(([lesion, { images }]) => {
    const own = images.find(({ image }) => image === item.id);
    return own ? [`${lesion} ${Number.isNaN(own.dice) ? 'absent' : own.dice.toFixed(2)}`] : [];
  });
  const said =
    item.task === 'segmentation'
      ? dice.length > 0
        ? [`Dice ${dice.join(' ')}`]
        : []
      : [
          ...grade('retinopathy', item.retinopathy, prediction.retinopathy),
          ...grade('edema', item.edema, prediction.edema),
        ];
  return [`${item.id}: ${item.task} image`, ...(hasGate ? [gate] : []), ...said].join(', ');
}

/** Runs the command. @throws GmtlError `cli/usage` for a bad count, and as `openRun` and `writeSample`. */
export async function inferSample(args: SampleArguments): Promise<void> {
  const { sample: count, split, seed, tta } = args;
  if (!Number.isInteger(count) || count < 1) {
    throw new GmtlError('cli/usage', `--sample ${count}: give how many images to draw, a whole number from 1 on`);
  }
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new GmtlError('cli/usage', `--seed ${seed}: give a whole number from 0 to 4294967295`);
  }
  const run = await openRun(args.checkpoint ?? newestRun('runs'), args.data);
  const weights = await openWeights(run.folder, args.weights);
  prepareFolder(args.out, args.overwrite);
  console.error(
    `network  ${weights.path}${weights.step === null ? '' : `, step ${weights.step}`}${weights.averaged ? ', averaged weights' : ''}`,
  );
  await withEngine({ adapter: args.adapter, seed: run.config.training.seed }, async ({ engine, device, opened }) => {
    console.error(`adapter  ${device.name} (${opened.reason})`);
    const model = buildModel(engine, withPrecision(engine, run.config, args.precision));
    restoreWeights(model, weights.weights, weights.path);
    // The drawing libraries take half a second to load, which every command would pay.
    const { writeSample } = await import('../src/retina/evaluate/sample.ts');
    const subject = `${run.folder}, checkpoint '${weights.name}'${tta ? ', mean of four flips' : ''}`;
    const sampled = await writeSample(engine, model, run, {
      count,
      split,
      seed,
      flips: tta,
      folder: args.out,
      subject,
    });
    const hasGate = run.config.training.routing !== 'none';
    for (const one of sampled.seen) console.log(sampleLine(one, sampled.evaluation, hasGate));
    const { misroutes } = sampled.evaluation.gate;
    if (hasGate) console.log(`${misroutes.length} of ${sampled.seen.length} misrouted`);
    for (const file of sampled.files) console.error(`written  ${resolve(file)}`);
    model.dispose();
  });
}
