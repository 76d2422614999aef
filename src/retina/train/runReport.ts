/** What `gmtl train` prints and draws once steps are done. */
import { isGateTaught } from '../config/taught.ts';
import { basename } from 'node:path';
import type { VerifiedOp } from '../../engine/check/verify.ts';
import { type Dataset, STRUCTURES, selectItems } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { shellWord } from '../run/shellWord.ts';
import { writeFileAtomic } from '../../engine/node/atomic.ts';
import type { StoredTensors } from '../../engine/io/safetensors.ts';
import { weightsOf } from '../run/checkpoints.ts';
import { evaluate } from '../evaluate/evaluate.ts';
import { recordedFigures, scorePlainly } from '../evaluate/protocol.ts';
import { subjectOf } from '../evaluate/run.ts';
import { type Evaluation, meanDice } from '../metrics/evaluation.ts';
import { validationPanel } from '../metrics/validationFigures.ts';
import type { Finished } from '../run/finished.ts';
import type { EpochRow } from '../report/curves.ts';
import type { RunFolder } from '../run/runFolder.ts';
import { restoreWeights } from '../network/weights.ts';
import type { Trainer } from './trainer.ts';
import { evaluationText } from '../evaluate/text.ts';

/** Beyond what float32 rounding explains in any op of the network. */
const VERIFY_BOUND = 1e-3;

/** @throws GmtlError `verify/diverged` naming the first op that is off. */
export function reportVerification(results: readonly VerifiedOp[]): void {
  const wrong = results.find(({ relativeL2 }) => !(relativeL2 <= VERIFY_BOUND));
  const worst = results.reduce((a, b) => (b.relativeL2 > a.relativeL2 ? b : a));
  if (wrong) {
    const { output, index, got, want } = wrong.element;
    throw new GmtlError(
      'verify/diverged',
      `${wrong.program} on ${wrong.shapes} is the first op that differs from its reference: relative L2 ${wrong.relativeL2.toExponential(2)}, ` +
        `element ${index} of output ${output} is ${got} instead of ${want}. The adapter or its driver computes wrong, or a kernel does: ` +
        'try another --adapter, and please report it',
    );
  }
  console.log(
    `${results.length} op executions agree with their float64 references; the largest relative L2 error is ${worst.relativeL2.toExponential(2)} (${worst.program} on ${worst.shapes}).`,
  );
}

export interface FinalReport {
  readonly run: RunFolder;
  readonly dataset: Dataset;
  readonly trainer: Trainer;
  readonly finished: Finished;
  /** What it ran on. */
  readonly adapter: string;
}

/**
 * Scores the best checkpoint (the last where none is best) on the test split, by its averages and by its weights; writes the report with
 * pictures; says where everything is, and what to try next.
 */
export async function finalReport({ run, dataset, trainer, finished, adapter }: FinalReport): Promise<void> {
  const test = selectItems(dataset, 'test');
  const which = finished.files.best === null ? 'last' : 'best';
  let report: string | null = null;
  if (test.length > 0) {
    const checkpoint = await run.checkpoints.load({ name: which, roles: ['weights', 'ema'] });
    const score = (tensors: StoredTensors, intervals: boolean): Promise<Evaluation> => {
      restoreWeights(trainer.model, tensors, checkpoint.path);
      return evaluate(trainer.predictor, test, { intervals });
    };
    const { weights, averaged } = weightsOf(checkpoint, 'average');
    restoreWeights(trainer.model, weights, checkpoint.path);
    const step = checkpoint.manifest?.step ?? null;
    const how = {
      checkpoint: which,
      step,
      weights: averaged ? 'average' : 'raw',
      frame: 'network',
      flips: false,
    } as const;
    // The report's drawing libraries take half a second to load: only where they are used.
    const { GalleryCollector } = await import('../evaluate/gallery.ts');
    const gallery = new GalleryCollector(trainer.predictor.config, 'network');
    const result = await scorePlainly(trainer.predictor, test, gallery.listeners);
    const hasGate = isGateTaught(trainer.predictor.config);
    const subject = subjectOf('test', how, adapter);
    console.log(
      evaluationText(result.plain, `Test split, checkpoint '${which}'${averaged ? ', averaged weights' : ''}`, {
        hasGate,
      }),
    );
    await run.writeTest('evaluated', { ...result.plain, precisionRecall: null });
    const { writeReport } = await import('../evaluate/report.ts');
    const parameters = trainer.model.parameterCount();
    const record = { run: run.path, ...how, adapter, ...recordedFigures(result) };
    const shown = { run, dataset, step, subject, parameters, adapter, frame: 'network' as const, weights };
    const [page] = await writeReport(run.reportFolder, { ...shown, result, record, gallery });
    if (averaged) {
      const raw = await score(checkpoint.weights, false);
      console.log(`without averaging: ${headline(raw)} (averaged: ${headline(result.plain)})`);
      await run.writeTest('raw', raw);
    }
    report = page;
  }
  const { files, checkpoints } = run;
  console.log(`checkpoint  ${checkpoints.folder} (${which}.json)`);
  console.log(`weights     ${run.weightFiles(finished).join(', ')}`);
  console.log(`curves      ${files.curves}, ${run.metricsPlot(finished.stamp)}`);
  console.log(`logs        ${files.batchesTable}, ${files.epochsTable} (and .jsonl), ${basename(files.misroutes)}`);
  if (report === null) return;
  console.log(`report      ${report} (pictures beside the truth, curves, intervals)`);
  console.log('\nTry next:');
  const tries = [
    [`${openerOf(process.platform)} ${shellWord(report)}`, 'look at what it learned'],
    [`npx gmtl infer --sample 20 --run ${shellWord(run.path)}`, 'twenty test pictures, prediction beside truth'],
    [`npx gmtl evaluate ${shellWord(run.path)}`, 'all figures, calibrated on the validation pictures'],
  ] as const;
  const width = Math.max(...tries.map(([command]) => command.length));
  for (const [command, why] of tries) console.log(`  ${command.padEnd(width)}  # ${why}`);
}

/** The command that opens a file in the browser. */
function openerOf(platform: NodeJS.Platform): string {
  if (platform === 'darwin') return 'open';
  return platform === 'win32' ? 'start' : 'xdg-open';
}

function headline(evaluation: Evaluation): string {
  const { retinopathy, losses } = evaluation;
  const figures = {
    'mean Dice': meanDice(evaluation),
    accuracy: retinopathy?.accuracy,
    QWK: retinopathy?.quadraticWeightedKappa,
    AUROC: retinopathy?.anyAuroc,
    'Dice loss': losses.dice,
  };
  return Object.entries(figures)
    .filter((entry): entry is [string, number] => Number.isFinite(entry[1]))
    .map(([name, value]) => `${name} ${value.toFixed(3)}`)
    .join(', ');
}

/** Draws the run's curves. */
export async function drawCurves(run: RunFolder): Promise<void> {
  const rows = epochRows(run);
  if (rows.length === 0) return;
  // The chart library takes half a second to load: only where it is used.
  const { renderCurves } = await import('../report/curves.ts');
  await writeFileAtomic(run.files.curves, renderCurves(rows));
}

/** Draws a finished run's losses, accuracies and Dice, with the run's time stamp in its name. */
export async function drawMetricsPlot(run: RunFolder, stamp: string): Promise<void> {
  const { renderMetricsPlot } = await import('../report/metricsPlot.ts');
  const rows = epochRows(run);
  if (rows.length > 0) await writeFileAtomic(run.metricsPlot(stamp), renderMetricsPlot(rows));
}

function epochRows(run: RunFolder): EpochRow[] {
  const number = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN);
  return run.readLog('epochs').map((row) => {
    const parts = (split: 'train' | 'val'): Record<string, number> =>
      Object.fromEntries(validationPanel('parts').map(({ column }) => [column, number(row[`${split}_${column}`])]));
    return {
      epoch: number(row.epoch),
      learningRate: number(row.learningRate),
      train: {
        loss: number(row.train_total),
        lossParts: parts('train'),
        accuracy: { retinopathy: number(row.train_retinopathyAccuracy), edema: number(row.train_edemaAccuracy) },
        gateAccuracy: number(row.train_gateAccuracy),
      },
      validation:
        typeof row.val_total !== 'number'
          ? undefined
          : {
              loss: number(row.val_total),
              lossParts: parts('val'),
              dice: Object.fromEntries(STRUCTURES.map((lesion) => [lesion, number(row[`val_dice_${lesion}`])])),
              accuracy: { retinopathy: number(row.val_retinopathyAccuracy), edema: number(row.val_edemaAccuracy) },
              gateAccuracy: number(row.val_gateAccuracy),
            },
    };
  });
}
