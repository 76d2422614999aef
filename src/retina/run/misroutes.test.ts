/** Tier: no adapter. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MisrouteLog, misroutesCsv } from './misroutes.ts';

let folder = '';
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'gmtl-misroutes-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const wrong = { id: 'A, 1', truth: 'segmentation', routed: 'classification', probability: 0.75 };

test('misroutes.csv names image, task, route and probability, and a resumed run cuts what came after its step', () => {
  const path = join(folder, 'misroutes.csv');
  const log = new MisrouteLog(path);
  log.append(6, 1, [wrong, { ...wrong, id: 'B' }]);
  log.append(12, 2, []);
  log.append(18, 3, [wrong]);
  const text = fs.readFileSync(path, 'utf8');
  expect(text.split('\n').slice(0, 2)).toEqual([
    'step,epoch,split,id,task,routed,probability',
    '6,1,val,"A, 1",segmentation,classification,0.750000',
  ]);
  expect(text.trim().split('\n')).toHaveLength(4);
  fs.appendFileSync(path, '24,4,cut sho');
  new MisrouteLog(path, 12);
  expect(fs.readFileSync(path, 'utf8')).toBe(`${text.split('\n').slice(0, 3).join('\n')}\n`);
});

test('rows of a run made by version 0.1 are carried over to the present columns', () => {
  const path = join(folder, 'misroutes.csv');
  const old = 'step,epoch,id,task,routed,confidence\n';
  const row = '6,1,B/train/IDRiD_004,classification,segmentation,0.544307\n';
  fs.writeFileSync(path, `${old}${row}12,2,B/train/IDRiD_001,classification,segmentation,0.523791\n`);
  new MisrouteLog(path, 6);
  const [header, ...rows] = fs.readFileSync(path, 'utf8').trim().split('\n');
  expect(header).toBe('step,epoch,split,id,task,routed,probability');
  expect(rows).toEqual(['6,1,val,B/train/IDRiD_004,classification,segmentation,0.544307']);
});

test('an evaluation writes the same columns, empty where they do not apply', () => {
  expect(misroutesCsv([wrong], { step: null, epoch: null, split: 'test' })).toBe(
    'step,epoch,split,id,task,routed,probability\n,,test,"A, 1",segmentation,classification,0.750000\n',
  );
});

describe('a table that is not one', () => {
  test.each([
    ['a quote that is never closed', 'garbage,"\n1,2\n', /no valid CSV/],
    ['the table of something else', 'a,b\n1,2\n', /the columns step, epoch, id, task, routed are missing/],
  ])('%s is named, and left as it is', (_what, content, message) => {
    const path = join(folder, 'misroutes.csv');
    fs.writeFileSync(path, content);
    expect(() => new MisrouteLog(path, 6)).toThrow(message);
    expect(() => new MisrouteLog(path, 6)).toThrow(path);
    expect(fs.readFileSync(path, 'utf8')).toBe(content);
  });

  test('a last row that was cut within a quote is let go', () => {
    const path = join(folder, 'misroutes.csv');
    const whole = `${misroutesCsv([wrong], { step: 6, epoch: 1, split: 'val' })}`;
    fs.writeFileSync(path, `${whole}12,2,val,"B, cut sho`);
    new MisrouteLog(path, 12);
    expect(fs.readFileSync(path, 'utf8')).toBe(whole);
  });
});
