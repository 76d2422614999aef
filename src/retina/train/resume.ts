/** Holds what a run would go on with against what it began with: "as if it had never stopped", or not at all. */
import { join } from 'node:path';
import { compareRecords, fingerprintOf, type ItemRecord, recordItems } from '../data/sets/datasetFingerprint.ts';
import type { Dataset } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { shellWord } from '../run/shellWord.ts';
import { validateConfig } from '../config/resolve.ts';
import type { TrainConfig } from '../config/schema.ts';
import type { LoadedCheckpoint } from '../run/checkpoint.ts';
import { RUN_FILES } from '../run/fileNames.ts';
import type { RunFolder } from '../run/runFolder.ts';

/** What {@link openToResume} gives. */
export interface ResumedRun {
  readonly config: TrainConfig;
  readonly dataset: Dataset;
  /** Absent: the run has no checkpoint yet, and begins anew. */
  readonly resume?: LoadedCheckpoint;
}

/**
 * Opens a run to go on with, from its last checkpoint where there is one.
 *
 * @param data where the images are, if not where the run's list says. @param onProgress called after each picture; what it throws ends the work.
 * @throws GmtlError as {@link requireUnchanged} and the readers of the run.
 */
export async function openToResume(
  run: RunFolder,
  data?: string,
  onProgress?: (done: number, total: number) => void,
): Promise<ResumedRun> {
  const config = run.config();
  const dataset = await (data === undefined ? run.dataset() : run.datasetAt(data, onProgress));
  if (!run.checkpoints.has('last')) {
    requireNothingLost(run);
    return { config, dataset };
  }
  const resume = await run.checkpoints.load({ name: 'last' });
  requireUnchanged(run, resume, await recordItems(dataset.items, onProgress));
  return { config, dataset, resume };
}

/** A kill before the first checkpoint leaves a run without one; one that validated twice, has a best checkpoint or is finished had one. @throws GmtlError `checkpoint/not-resumable`. */
function requireNothingLost(run: RunFolder): void {
  const had = [
    ...(run.finished() ? ['it is finished'] : []),
    ...(run.checkpoints.has('best') ? ['it has a best one'] : []),
    ...(run.hasLog('epochs') && run.readLog('epochs').length > 1 ? ['it has trained several epochs'] : []),
  ];
  if (had.length === 0) return;
  throw new GmtlError(
    'checkpoint/not-resumable',
    `${run.path}: its last checkpoint is gone (${had.join(', ')}). Put the folder checkpoints back, or start a new run ` +
      `with the same settings: npx gmtl train --data ${shellWord(join(run.path, RUN_FILES.metadata))} --config ${shellWord(join(run.path, RUN_FILES.config))}`,
  );
}

/** Settings that change how fast a run is, or where, not what it learns. */
const WITHOUT_EFFECT: readonly string[] = ['adapter', 'data.cacheDir', 'data.prefetch'];

/** Most differences listed one by one. */
const LISTED = 10;

/**
 * Refuses to resume where the configuration (the seed is part of it) is not that of the checkpoint, or rows, labels, splits, pictures or masks
 * are not those that the run began with.
 *
 * @param records of the images to go on with.
 * @throws GmtlError `run/changed`, saying what differs.
 */
export function requireUnchanged(
  run: RunFolder,
  { manifest, path }: LoadedCheckpoint,
  records: readonly ItemRecord[],
): void {
  const differences = [
    ...(manifest ? compareConfigs(validateConfig(manifest.config, path), run.config()) : []),
    ...comparePictures(run, records),
  ];
  if (differences.length === 0) return;
  const listed = differences.slice(0, LISTED).map((difference) => `  - ${difference}`);
  if (differences.length > LISTED) listed.push(`  … and ${differences.length - LISTED} more`);
  throw new GmtlError(
    'run/changed',
    `${run.path} cannot go on as if it had never stopped: since it began,\n${listed.join('\n')}\n` +
      `Put that back, or start a new run from its weights: npx gmtl train --init ${shellWord(run.path)}`,
  );
}

function comparePictures(run: RunFolder, records: readonly ItemRecord[]): string[] {
  const before = run.pictures();
  if (before !== null) return compareRecords(before, records);
  // A run of version 0.1 recorded one hash over all of it.
  const recorded = run.environment()?.data?.sha256;
  return recorded === undefined || recorded === fingerprintOf(records)
    ? []
    : ['the images, masks, labels or splits have changed (which of them, this run did not record)'];
}

function compareConfigs(was: TrainConfig, is: TrainConfig): string[] {
  const before = flatten(was);
  const now = flatten(is);
  return [...new Set([...before.keys(), ...now.keys()])]
    .filter((name) => before.get(name) !== now.get(name) && !WITHOUT_EFFECT.includes(name))
    .map((name) => `config.json: ${name} was ${before.get(name) ?? 'unset'}, is ${now.get(name) ?? 'unset'}`);
}

/** Every setting as JSON under its dotted name; lists are values. */
function flatten(value: object, prefix = ''): Map<string, string> {
  return new Map(
    Object.entries(value).flatMap(([key, entry]): [string, string][] =>
      typeof entry === 'object' && entry !== null && !Array.isArray(entry)
        ? [...flatten(entry, `${prefix}${key}.`)]
        : [[`${prefix}${key}`, JSON.stringify(entry)]],
    ),
  );
}
