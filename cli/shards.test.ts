/** Tier: any adapter, built command line. A list of pictures in shards, one of them killed and resumed, gives the table of one inference. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGmtl } from '../bench/trainProcess.ts';
import { generateSyntheticIdrid } from '../src/retina/data/synth/index.ts';
import { JOURNAL_FILE } from '../src/retina/predict/journal.ts';
import { writeUntrainedRun } from '../src/retina/predict/testsupport.ts';
import { gmtlHere, keepAdapter } from './testsupport.ts';

keepAdapter();
let root = '';
const at = (name: string): string => join(root, name);
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-shards-'));
  const counts = { segmentationTrain: 2, segmentationTest: 1, gradingTrain: 20, gradingTest: 2 };
  await generateSyntheticIdrid({ directory: join(root, 'data'), size: 64, ...counts });
  await writeUntrainedRun(join(root, 'run'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function done(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await gmtlHere(...words);
  expect(code, stdout + stderr).toBe(0);
  return stdout;
}

const infer = (...words: string[]): string[] => [
  'infer',
  at('data/B. Disease Grading'),
  '--recursive',
  '--run',
  at('run'),
  ...words,
];

it('four shards, one killed and resumed, merge to the table of one inference', async () => {
  // Large enough for threads, whose program is the built one; the shards are not.
  const threaded = startGmtl(infer('--out', at('whole'), '--threads', '2'), root);
  expect(await threaded.ended, threaded.output()).toEqual({ code: 0, signal: null });
  for (const shard of ['1/4', '2/4', '4/4']) await done(...infer('--out', at('parts'), '--shard', shard, '--resume'));
  const folder = join(root, 'parts/shard-3-of-4');
  const killed = startGmtl(infer('--out', at('parts'), '--shard', '3/4', '--resume'), root);
  while (!existsSync(join(folder, JOURNAL_FILE)) && killed.child.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  killed.child.kill('SIGKILL');
  await killed.ended;
  const before = (await readFile(join(folder, JOURNAL_FILE), 'utf8')).split('\n').length - 1;
  const lines = (await done(...infer('--out', at('parts'), '--shard', '3/4', '--resume')))
    .split('\n')
    .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
  expect(lines.filter(({ milliseconds }) => milliseconds === 0).length).toBeGreaterThanOrEqual(before);
  const shards = [1, 2, 3, 4].map((index) => at(`parts/shard-${index}-of-4`));
  await done('merge', ...shards, '--out', at('merged.csv'));
  const [whole, merged] = await Promise.all(
    ['whole/predictions.csv', 'merged.csv'].map((name) => readFile(join(root, name), 'utf8')),
  );
  expect(merged).toBe(whole);
  expect(whole.trim().split('\n').length).toBeGreaterThan(20);
});
