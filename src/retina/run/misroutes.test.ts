/** Tier: no adapter. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MisrouteLog } from './misroutes.ts';

test('misroutes.csv names image, task, route and confidence, and a resumed run cuts what came after its step', () => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'gmtl-misroutes-'));
  try {
    const path = join(folder, 'misroutes.csv');
    const wrong = { id: 'A, 1', truth: 'segmentation', routed: 'classification', probability: 0.75 };
    const log = new MisrouteLog(path);
    log.append(6, 1, [wrong, { ...wrong, id: 'B' }]);
    log.append(12, 2, []);
    log.append(18, 3, [wrong]);
    const text = fs.readFileSync(path, 'utf8');
    expect(text.split('\n').slice(0, 2)).toEqual([
      'step,epoch,id,task,routed,confidence',
      '6,1,"A, 1",segmentation,classification,0.750000',
    ]);
    expect(text.trim().split('\n')).toHaveLength(4);
    fs.appendFileSync(path, '24,4,cut sho');
    new MisrouteLog(path, 12);
    expect(fs.readFileSync(path, 'utf8')).toBe(`${text.split('\n').slice(0, 3).join('\n')}\n`);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});
