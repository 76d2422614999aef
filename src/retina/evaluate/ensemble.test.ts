/** Tier: any adapter. Networks that share their validation pictures answer as one: their own operating point or refusal, table, report. */
import { readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadEnsemble } from '../predict/openEnsemble.ts';
import { calibrationIfAny } from '../run/calibration.ts';
import { loadCheckpoint, saveCheckpoint } from '../run/checkpoint.ts';
import { evaluateRun } from './run.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../../../cli/fixtures/${name}`, import.meta.url));
let root = '';
const at = (name: string): string => join(root, name);
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-ensemble-'));
  // The runs' lists name their pictures as ../data/…
  await cp(fixture('data-0.1'), at('data'), { recursive: true });
  for (const name of ['one', 'two']) await cp(fixture('run-0.1'), at(name), { recursive: true });
  const { manifest, ...stored } = await loadCheckpoint(at('two'), { name: 'best' });
  if (!manifest) throw new Error('the fixture has no manifest');
  // Another network, as another seed would give: what it says differs.
  for (const { data } of [...stored.weights.values(), ...(stored.ema?.values() ?? [])]) {
    for (let index = 0; index < data.length; index++) data[index] = Number(data[index]) * 1.5;
  }
  const { step, epoch, config, sampler, random } = manifest;
  const { weights, ema } = stored;
  await saveCheckpoint(join(at('two'), 'checkpoints'), 'best', {
    ...{ weights, ...(ema && { ema }), step, epoch, config, metrics: {}, sampler, random },
  });
});
afterAll(() => rm(root, { recursive: true, force: true }));

it('an ensemble is calibrated, scored and reported as one network, and disagrees', async () => {
  const runs = `${at('one')},${at('two')}`;
  const printed: string[] = [];
  const record = await evaluateRun({
    ...{ run: runs, report: at('report') },
    ...{ print: (text: string) => printed.push(text), note: (text: string) => printed.push(text) },
  });
  expect(record.ensemble).toEqual([at('one'), at('two')]);
  // Both are validated on the same pictures: none is left out.
  const text = printed.join('\n');
  expect(text).toMatch(/ensemble of 2 networks/);
  expect(text).not.toMatch(/are left out: other networks/);
  const own = readdirSync(at('one')).filter((name) => name.startsWith('calibration'));
  expect(own).toEqual([expect.stringMatching(/^calibration-[0-9a-f]{16}\.json$/)]);
  // What infer finds for the same networks; for one of them alone there is none.
  const { trained, ensemble } = await loadEnsemble(runs);
  expect(await calibrationIfAny(trained.path, ensemble)).toEqual(record.calibration);
  expect(await calibrationIfAny(trained.path, undefined)).toBeNull();
  const table = parse(readFileSync(join(at('report'), 'predictions.csv'), 'utf8'), { columns: true });
  const graded = (table as Record<string, string>[]).filter(({ task }) => task === 'classification');
  expect(graded.length).toBeGreaterThan(0);
  for (const row of graded) expect(Number(row.retinopathy_networks)).toBeGreaterThan(0);
  expect(readFileSync(join(at('report'), 'report.html'), 'utf8')).toMatch(
    /one, two: evaluation[\s\S]*ensemble of 2 networks/,
  );
});
