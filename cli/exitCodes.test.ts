/** Tier: no adapter. Exit codes are stated once, and the documents state the same. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GmtlError } from '../src/engine/errors.ts';
import { EXIT_CODES, exitCodeOf } from './exitCodes.ts';

describe('exit codes', () => {
  it('are those of docs/commands.md', () => {
    const text = readFileSync(new URL('../docs/commands.md', import.meta.url), 'utf8');
    const rows = [...text.matchAll(/^\| (\d+) \| (.+) \|$/gm)].map(([, code, meaning]) => ({
      code: Number(code),
      meaning,
    }));
    expect(rows).toEqual(Object.values(EXIT_CODES));
  });

  it('tell bad input, configuration, some pictures, the device and faults apart', () => {
    const of = (code: `${'data' | 'config' | 'infer' | 'gpu' | 'adapter' | 'cli'}/${string}`) =>
      exitCodeOf(new GmtlError(code, ''));
    expect([of('data/not-found'), of('cli/usage'), of('infer/failed')]).toEqual([1, 1, 1]);
    expect([of('config/invalid'), of('infer/some-failed'), of('gpu/device-lost'), of('adapter/not-found')]).toEqual([
      2, 3, 4, 4,
    ]);
    expect([exitCodeOf(new GmtlError('io/disk-full', '')), of('infer/queue-away')]).toEqual([75, 75]);
    expect(exitCodeOf(new GmtlError('io/quota', ''))).toBe(1);
    expect(exitCodeOf(new TypeError('x'))).toBe(70);
  });
});
