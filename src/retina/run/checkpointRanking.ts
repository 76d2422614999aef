/**
 * The k best checkpoints of a run under the names of their ranks: `best.json`, `best-2.json` … point to data files that never move, so
 * that a change of ranks copies nothing and a kill at any instant leaves every manifest whole.
 */
import { join } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { type FileOperations, nodeFileOperations, writeFileAtomic } from '../../engine/node/atomic.ts';
import {
  type CheckpointPayload,
  dataFilesOf,
  describeCheckpoint,
  listFolder,
  readText,
  removeQuietly,
} from './checkpoint.ts';
import { type CheckpointManifest, parseManifest } from './checkpointFormat.ts';

/** The name of the checkpoint of rank `rank` (0: the best): `best`, `best-2`, `best-3` … */
const rankName = (rank: number): string => (rank === 0 ? 'best' : `best-${rank + 1}`);

/**
 * Adds `payload` to the best checkpoints and lets go those that have no rank any more: `best.json`, `best-2.json` … are manifests in the
 * order of `steps`. Data files stay where they are when ranks change. A crash at any point leaves every manifest whole (one checkpoint may
 * have two ranks then, until the next save), since nothing is removed before all manifests are in place.
 *
 * @param steps the steps of the checkpoints to keep, best first; `payload.step` is among them. The others were saved by this function.
 * @throws GmtlError `checkpoint/not-found` where another of the steps has no checkpoint, or as {@link saveCheckpoint}.
 */
export async function saveRankedCheckpoint(
  folder: string,
  steps: readonly number[],
  payload: CheckpointPayload,
  files: FileOperations = nodeFileOperations,
): Promise<void> {
  const { manifest, contents } = describeCheckpoint('best', payload);
  await files.makeFolder(folder);
  const present = await rankedManifests(folder);
  const byStep = new Map([...present.values()].map((one) => [one.step, one]));
  byStep.set(payload.step, manifest);
  const wanted = steps.map((step, rank): [string, CheckpointManifest] => {
    const one = byStep.get(step);
    if (one) return [`${rankName(rank)}.json`, { ...one, name: rankName(rank) }];
    throw new GmtlError(
      'checkpoint/not-found',
      `${folder}: the checkpoint of step ${step} should be kept, but is gone`,
    );
  });
  const older = await dataFilesOf(folder, 'best');
  try {
    for (const [file, bytes] of contents) await writeFileAtomic(join(folder, file), bytes, files);
    // From the last rank up: what moves down is written in its new place before its old one is taken.
    for (const [file, content] of wanted.reverse()) {
      if (present.get(file)?.step === content.step && content.step !== payload.step) continue;
      await writeFileAtomic(join(folder, file), `${JSON.stringify(content, null, 2)}\n`, files);
    }
  } catch (error) {
    const named = new Set([...(await rankedManifests(folder)).values()].flatMap(dataFilesNamed));
    for (const file of contents.keys())
      if (!older.includes(file) && !named.has(file)) await removeQuietly(join(folder, file), files);
    throw error;
  }
  const kept = new Set(wanted.map(([file]) => file));
  for (const file of present.keys()) if (!kept.has(file)) await removeQuietly(join(folder, file), files);
  const used = new Set(wanted.flatMap(([, content]) => dataFilesNamed(content)));
  for (const file of older) if (!used.has(file)) await removeQuietly(join(folder, file), files);
}

/** The steps of the best checkpoints in `folder`, best first; none where there is no folder. */
export async function rankedSteps(folder: string): Promise<number[]> {
  const manifests = [...(await rankedManifests(folder))].sort(([a], [b]) => rankOf(a) - rankOf(b));
  return manifests.map(([, { step }]) => step);
}

const RANKED = /^best(?:-(\d+))?\.json$/;
const rankOf = (file: string): number => Number(RANKED.exec(file)?.[1] ?? 1);

/** Manifests of the best checkpoints by file name. */
async function rankedManifests(folder: string): Promise<Map<string, CheckpointManifest>> {
  const names = (await listFolder(folder)).filter((name) => RANKED.test(name));
  const read = async (name: string) =>
    [name, parseManifest(await readText(join(folder, name)), join(folder, name))] as const;
  return new Map(await Promise.all(names.map(read)));
}

const dataFilesNamed = ({ files }: CheckpointManifest): string[] => Object.values(files).map(({ name }) => name);
