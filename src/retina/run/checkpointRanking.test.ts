/** Tier: no adapter. The k best checkpoints: ranks, retention, and kills at every file operation. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FileOperations, nodeFileOperations } from '../../engine/node/atomic.ts';
import { type CheckpointPayload, cleanCheckpoints, loadCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { rankedSteps, saveRankedCheckpoint } from './checkpointRanking.ts';

let run = '';
let folder = '';
beforeEach(() => {
  run = fs.mkdtempSync(join(tmpdir(), 'gmtl-ranking-'));
  folder = join(run, 'checkpoints');
});
afterEach(() => fs.rmSync(run, { recursive: true }));

const payload = (step: number): CheckpointPayload => {
  const tensors = (value: number) =>
    new Map([['weight', { dtype: 'F32' as const, shape: [2], data: new Float32Array([step, value]) }]]);
  const rest = { config: {}, metrics: { score: step / 100 }, sampler: null, random: null };
  return { weights: tensors(1), ema: tensors(2), step, epoch: step, ...rest };
};

/** The step whose weights a name loads; the load verifies every byte. */
const stepOf = async (name: string): Promise<number> =>
  (await loadCheckpoint(run, { name })).weights.get('weight')!.data[0] as number;

test('ranks are names, and what has no rank any more goes', async () => {
  await saveCheckpoint(folder, 'last', payload(9));
  await saveRankedCheckpoint(folder, [1], payload(1));
  await saveRankedCheckpoint(folder, [2, 1], payload(2));
  await saveRankedCheckpoint(folder, [2, 3, 1], payload(3));
  expect([await stepOf('best'), await stepOf('best-2'), await stepOf('best-3')]).toEqual([2, 3, 1]);
  await saveRankedCheckpoint(folder, [4, 2, 3], payload(4));
  expect(await rankedSteps(folder)).toEqual([4, 2, 3]);
  expect([await stepOf('best'), await stepOf('best-2'), await stepOf('best-3')]).toEqual([4, 2, 3]);
  // 4 checkpoints of a manifest and two files: best, best-2, best-3, last.
  expect(fs.readdirSync(folder)).toHaveLength(12);
  expect(await stepOf('last')).toBe(9);
  expect(await cleanCheckpoints(folder)).toEqual([]);
  await expect(loadCheckpoint(run, { name: 'best-4' })).rejects.toThrow(
    /has best-2.json, best-3.json, best.json, last.json/,
  );
  // Fewer kept than before.
  await saveRankedCheckpoint(folder, [5], payload(5));
  expect(await rankedSteps(folder)).toEqual([5]);
  expect(fs.readdirSync(folder)).toHaveLength(6);
});

test('saving the same step again, as a resumed run does, changes nothing', async () => {
  await saveRankedCheckpoint(folder, [1], payload(1));
  await saveRankedCheckpoint(folder, [2, 1], payload(2));
  const before = fs.readdirSync(folder).sort();
  await saveRankedCheckpoint(folder, [2, 1], payload(2));
  expect(fs.readdirSync(folder).sort()).toEqual(before);
  expect(await rankedSteps(folder)).toEqual([2, 1]);
  await expect(saveRankedCheckpoint(folder, [3, 7], payload(3))).rejects.toThrow(/step 7 should be kept, but is gone/);
});

test('a crash at each file operation leaves every manifest whole, the old or the new best first', async () => {
  let limit = 1;
  for (let finished = false; !finished; limit++) {
    fs.rmSync(folder, { recursive: true, force: true });
    await saveRankedCheckpoint(folder, [1], payload(1));
    await saveRankedCheckpoint(folder, [2, 1], payload(2));
    let count = 0;
    const guard =
      <A extends unknown[]>(operation: (...args: A) => Promise<void>) =>
      async (...args: A) => {
        count++;
        if (count >= limit) throw new Error('killed');
        await operation(...args);
      };
    const { makeFolder, createSynced, rename, unlink, syncFolder } = nodeFileOperations;
    const files: FileOperations = {
      makeFolder: guard(makeFolder),
      createSynced: guard(createSynced),
      rename: guard(rename),
      unlink: guard(unlink),
      syncFolder: guard(syncFolder),
    };
    try {
      await saveRankedCheckpoint(folder, [3, 2], payload(3), files);
      finished = true;
    } catch (error) {
      expect((error as Error).message, `operation ${limit}`).toBe('killed');
    }
    await cleanCheckpoints(folder);
    const steps = await rankedSteps(folder);
    expect(['2,1', '2,2', '3,2'], `operation ${limit}`).toContain(steps.join());
    expect([await stepOf('best'), await stepOf('best-2')]).toEqual(steps);
    // The next start goes on from there and ends where an undisturbed save would have.
    await saveRankedCheckpoint(folder, [3, 2], payload(3));
    expect(await rankedSteps(folder)).toEqual([3, 2]);
    expect(fs.readdirSync(folder)).toHaveLength(6);
  }
  expect(limit).toBeGreaterThan(15);
});

test('a full disk keeps the ranks and leaves no litter', async () => {
  await saveRankedCheckpoint(folder, [1], payload(1));
  const before = fs.readdirSync(folder);
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  let writes = 0;
  const files: FileOperations = {
    ...nodeFileOperations,
    async createSynced(path, data) {
      if (++writes === 2) throw full;
      await nodeFileOperations.createSynced(path, data);
    },
  };
  await expect(saveRankedCheckpoint(folder, [2, 1], payload(2), files)).rejects.toMatchObject({ code: 'io/disk-full' });
  expect(fs.readdirSync(folder)).toEqual(before);
  expect(await rankedSteps(folder)).toEqual([1]);
});
