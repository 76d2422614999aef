/** Tier: any adapter, built command line. The short form of `node dist/bench/kill.js --kills 200`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { killRepeatedly } from './kill.ts';

it('a run killed at random moments always has a whole checkpoint and goes on from it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gmtl-kill-'));
  try {
    const report = await killRepeatedly({ kills: 2, folder, longestMs: 800 });
    expect(report).toMatchObject({ kills: 2, loaded: 2, rows: report.lastStep });
    expect(report.advanced).toBeGreaterThan(0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
