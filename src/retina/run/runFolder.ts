/** The folder of one training run. */
import { checkAttributes } from '../../engine/arguments.ts';
import { existsSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeFileAtomic } from '../../engine/node/atomic.ts';
import type { TrainConfig } from '../config/schema.ts';
import type { ItemRecord } from '../data/sets/datasetFingerprint.ts';
import { writeMetadata } from '../data/sets/metadata.ts';
import type { Dataset, DatasetItem } from '../domain.ts';
import { readCalibration, writeCalibration } from './calibration.ts';
import type { Calibration } from './calibrationFormat.ts';
import { Checkpoints } from './checkpoints.ts';
import { readRunConfig, writeRunConfig } from './config.ts';
import { openRunDataset, readRunDataset, relocateRunDataset } from './dataset.ts';
import {
  type DescribedEnvironment,
  type RecordedEnvironment,
  readEnvironment,
  writeEnvironment,
} from './environment.ts';
import { REPORT_FOLDER, RUN_FILES, stampedNames } from './fileNames.ts';
import { type Finished, finishRun, type RunResult, readFinished } from './finished.ts';
import { acquireRunLock, type RunLock } from './lock.ts';
import { type LogOptions, openRunLogs, RunLog, type RunLogRow, type RunLogs, readRunLog } from './logs.ts';
import { makeFolder, type NewFolder } from './makeFolder.ts';
import { MisrouteLog } from './misroutes.ts';
import { readPictures, writePictures } from './pictures.ts';
import { EventWriter } from './tensorboard.ts';
import { readTrainingSet, writeTrainingSet } from './trainingSet.ts';
import type { TrainingSet } from './trainingSetFormat.ts';

/**
 * Owns every file name, reader and writer of a run; docs/files.md lists the files. What a file holds and how it survives a kill is documented
 * where it is read and written: checkpoint.ts, logs.ts, lock.ts …
 */
export class RunFolder {
  readonly path: string;
  readonly checkpoints: Checkpoints;
  /** The paths of the files whose names never change, for messages and for those who draw. */
  readonly files: Readonly<Record<keyof typeof RUN_FILES, string>>;
  #config: TrainConfig | undefined;

  /** Names a folder; neither reads nor writes. */
  constructor(path: string) {
    checkAttributes('RunFolder', { path: 'path' }, { path });
    this.path = path;
    this.checkpoints = new Checkpoints(path);
    const paths = Object.entries(RUN_FILES).map(([key, name]) => [key, join(path, name)]);
    this.files = Object.fromEntries(paths) as Record<keyof typeof RUN_FILES, string>;
  }

  /**
   * Makes the folder of a new run: `<root>/<date-time>-<preset>`, made unique, or exactly `folder` where one is given. Its configuration
   * and its images are to be written next. @throws GmtlError as `makeFolder`.
   */
  static create(place: NewFolder): RunFolder {
    const run = new RunFolder(makeFolder(place));
    run.checkpoints.make();
    return run;
  }

  /** Opens a run under its absolute path. @throws GmtlError `run/no-config` when the folder is not a run, or as `validateConfig`. */
  static open(path: string): RunFolder {
    checkAttributes('RunFolder.open', { path: 'path' }, { path });
    const run = new RunFolder(resolve(path));
    run.config();
    return run;
  }

  /** The configuration, read once. @throws GmtlError as {@link open}. */
  config(): TrainConfig {
    this.#config ??= readRunConfig(this.path);
    return this.#config;
  }

  /** Writes config.json: every knob, resolved. Throws what the disk reports. */
  writeConfig(config: TrainConfig): void {
    writeRunConfig(this.path, config);
    this.#config = config;
  }

  /** The run's images, where and in the splits that its list names. @throws GmtlError as `loadMetadata`. */
  dataset(): Promise<Dataset> {
    return readRunDataset(this.path);
  }

  /** The images to score: the run's own, or those of `data` in the splits that the run knows. @throws GmtlError as `openRunDataset`. */
  datasetToScore(data?: string): Promise<Dataset> {
    return openRunDataset(this.path, this.config(), data);
  }

  /** The run's own images in its own order and splits, found in `data`. @param onProgress called after each. @throws GmtlError as `relocateRunDataset`. */
  datasetAt(data: string, onProgress?: (done: number, total: number) => void): Promise<Dataset> {
    return relocateRunDataset(this.path, this.config(), data, onProgress);
  }

  /** Records what the run's images were when it began (SHA-256 of each file, split, grades), by which a later change is noticed. */
  async writePictures(records: readonly ItemRecord[]): Promise<void> {
    await writePictures(this.files.pictures, records);
  }

  /** What the run's images were when it began; null for a run that did not record it. @throws GmtlError `run/pictures` for a damaged record. */
  pictures(): ItemRecord[] | null {
    return readPictures(this.files.pictures);
  }

  /** Writes metadata.json, the run's images with their labels and splits. */
  async writeItems(items: readonly DatasetItem[]): Promise<void> {
    await writeMetadata(this.files.metadata, items);
  }

  /** What the run first ran on; null where that was not recorded. @throws GmtlError `run/environment` for a damaged record. */
  environment(): RecordedEnvironment | null {
    return readEnvironment(this.path);
  }

  /** Records what the run runs on, beside earlier records. */
  writeEnvironment(described: DescribedEnvironment): void {
    writeEnvironment(this.path, described);
  }

  /** What the network is trained on; null where that was not recorded. @throws GmtlError as `readTrainingSet`. */
  trainingSet(): TrainingSet | null {
    return readTrainingSet(this.path);
  }

  /** Writes training-set.json: what the training pictures look like, for later doubts about others. */
  async writeTrainingSet(set: TrainingSet): Promise<void> {
    await writeTrainingSet(this.path, set);
  }

  /** One process per run. @throws GmtlError as `acquireRunLock`. */
  lock(): Promise<RunLock> {
    return acquireRunLock(this.path);
  }

  /** Opens both logs for writing. @throws GmtlError as `openRunLogs`. */
  logs(options: LogOptions): RunLogs {
    return openRunLogs(this.path, options);
  }

  /** Opens the log of every rank's speed, cut after `resumeStep`. @throws GmtlError as `RunLog`. */
  rankLog(resumeStep: number | undefined, columns: readonly string[]): RunLog {
    return new RunLog(join(this.path, 'ranks'), { columns, ...(resumeStep !== undefined && { resumeStep }) });
  }

  /** Whether the log of steps or epochs was begun. */
  hasLog(name: 'batches' | 'epochs'): boolean {
    return existsSync(this.files[name]);
  }

  /** The rows of a log, one per step or epoch, by column. @throws GmtlError as `readRunLog`. */
  readLog(name: 'batches' | 'epochs'): RunLogRow[] {
    return readRunLog(this.files[name]);
  }

  /** Opens `misroutes.csv` for writing, cut after `resumeStep`; without it the file begins anew. */
  misroutes(resumeStep?: number): MisrouteLog {
    return new MisrouteLog(this.files.misroutes, resumeStep);
  }

  /** Opens a new file of scalars for TensorBoard, which goes on after `resumeStep`; the caller closes it. */
  events(resumeStep?: number): EventWriter {
    return new EventWriter(this.files.tensorboard, resumeStep === undefined ? {} : { resumeStep });
  }

  /** Writes what of given weights (`--init`) the network began with. */
  async writeInitReport(report: object): Promise<void> {
    await writeJson(this.files.init, report);
  }

  /** The folder for the report that training ends with. */
  get reportFolder(): string {
    return join(this.path, REPORT_FOLDER);
  }

  /** Writes the figures of the test split: of the weights that are evaluated, or (`raw`) of those they are the averages of. */
  async writeTest(kind: 'evaluated' | 'raw', figures: object): Promise<void> {
    await writeJson(kind === 'raw' ? this.files.rawTest : this.files.test, figures);
  }

  /** The record of the finished run; null where it is not finished. @throws GmtlError `run/finished` for a damaged one. */
  finished(): Finished | null {
    return readFinished(this.path);
  }

  /** Records that the run is finished, with weights under names of their own. @throws GmtlError as `finishRun`. */
  finish(result: RunResult): Promise<Finished> {
    return finishRun(this.path, result);
  }

  /** Where the drawing of a finished run's figures goes. @param stamp the run's time stamp. */
  metricsPlot(stamp: string): string {
    return join(this.path, stampedNames(stamp).metricsPlot);
  }

  /** The paths of a finished run's weights: the best where there are any, and the last. */
  weightFiles({ files }: Finished): string[] {
    return [files.best, files.final].filter((name) => name !== null).map((name) => join(this.path, name));
  }

  /** What `gmtl evaluate` fitted: temperatures, thresholds, operating point. @throws GmtlError `run/no-calibration` where there is none, or a damaged one. */
  calibration(): Promise<Calibration> {
    return readCalibration(this.path);
  }

  /** Writes it beside the run's other files. @param ensemble hash of the weights of an ensemble that this run is the first of. @returns the path written. */
  writeCalibration(calibration: Calibration, ensemble?: string): Promise<string> {
    return writeCalibration(this.path, calibration, ensemble);
  }

  /** Whether there is a checkpoint or a logged step: something to resume or to read. */
  hasProgress(): boolean {
    const logged = statSync(this.files.batches, { throwIfNoEntry: false })?.size ?? 0;
    return logged > 0 || !this.checkpoints.isEmpty();
  }

  /** Deletes the folder with all that is in it. Throws what the disk reports. */
  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}

async function writeJson(path: string, value: object): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}
