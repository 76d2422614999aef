/** Tier: no adapter, slow. Parts of `gmtl bench all`: what fails or hangs is recorded, the rest goes on, and what is done is not done again. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { benchAll, type Part } from './all.ts';

const folder = mkdtempSync(join(tmpdir(), 'gmtl-all-'));
afterAll(() => rmSync(folder, { recursive: true }));

const part = (name: string, code: string, limit = 60): Part => ({ name, words: [process.execPath, '-e', code], limit });
const parts: readonly Part[] = [
  part('good', 'console.log(process.env.GMTL_ADAPTER)'),
  part('bad', 'console.error("no such kernel"); process.exit(3)'),
  part('hanging', 'setInterval(() => {}, 1000)', 1),
  { ...part('absent', ''), missing: 'it is not installed' },
];
const options = { folder, adapter: 'lavapipe', minutes: 5, short: true };

it('records how each part ends, and goes on with what is not done', async () => {
  const states = (results: Awaited<ReturnType<typeof benchAll>>) =>
    results.map(({ name, status }) => `${name} ${status}`);
  expect(states(await benchAll(options, () => {}, parts))).toEqual([
    'good ok',
    'bad failed',
    'hanging stopped',
    'absent missing',
  ]);
  expect(readFileSync(join(folder, 'good.txt'), 'utf8')).toBe('lavapipe\n');
  expect(readFileSync(join(folder, 'summary.md'), 'utf8')).toMatch(
    /^\| bad \| failed \| \d+ \| exit status 3; last line: no such kernel \|$/m,
  );

  const begun: string[] = [];
  const mended = [part('good', 'process.exit(9)'), part('bad', ''), parts[3]];
  const again = await benchAll(options, (text) => begun.push(text.split(' ')[1]), mended);
  expect(states(again)).toEqual(['good ok', 'bad ok', 'absent missing']);
  expect(begun).not.toContain('good');
});

it('refuses a folder of another adapter, and says when no time is left', async () => {
  await expect(benchAll({ ...options, adapter: 'gpu' }, () => {}, parts)).rejects.toThrow('adapter lavapipe');
  const late = await benchAll({ ...options, folder: join(folder, 'late'), minutes: 0.01 }, () => {}, parts.slice(0, 1));
  expect(late[0]).toMatchObject({ status: 'late', why: 'no time was left' });
});
