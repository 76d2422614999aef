/** Writes down how a training goes, batch by batch and epoch by epoch: the run's logs, TensorBoard, misroutes, the ranks' speeds. */
import type { Evaluation } from '../metrics/evaluation.ts';
import type { RunLog, RunLogs } from '../run/logs.ts';
import type { MisrouteLog } from '../run/misroutes.ts';
import type { EventWriter } from '../run/tensorboard.ts';
import { type batchRow, EPOCH_COLUMNS, eventTags, finiteOrNull } from './columns.ts';
import type { RankSpeed } from './rankWatch.ts';

/** Where it is written; nowhere where another rank writes. */
export interface TrainingLogFiles {
  readonly logs?: RunLogs;
  /** Every rank's speed, epoch by epoch; none with one process. */
  readonly rankLog?: RunLog;
  /** Scalars for TensorBoard; none where left out. */
  readonly events?: EventWriter;
  /** Validation images that the gate sent astray; none where left out. */
  readonly misroutes?: MisrouteLog;
}

export class TrainingLog {
  readonly #files: TrainingLogFiles;

  constructor(files: TrainingLogFiles) {
    this.#files = files;
  }

  batch(row: ReturnType<typeof batchRow>): void {
    this.#files.logs?.batches.append(row);
    this.#files.events?.scalars(row.step, eventTags('batch', row));
  }

  /** @param row a number for each of {@link EPOCH_COLUMNS}; NaN where something was not measured. @param evaluated null: not validated. */
  epoch(
    row: Readonly<Record<string, number>>,
    evaluated: Evaluation | null,
    speeds: readonly RankSpeed[] | undefined,
  ): void {
    const { logs, rankLog, events, misroutes } = this.#files;
    const { step, epoch } = row;
    if (evaluated) misroutes?.append(step, epoch, evaluated.gate.misroutes);
    const values = Object.fromEntries(EPOCH_COLUMNS.map((column) => [column, finiteOrNull(row[column])]));
    logs?.epochs.append({ ...values, step });
    events?.scalars(step, eventTags('epoch', row));
    for (const speed of speeds ?? []) rankLog?.append({ step, epoch, ...speed });
  }

  /** Lets everything reach the disk. */
  flush(): void {
    this.#files.logs?.flush();
    this.#files.events?.flush();
  }
}
