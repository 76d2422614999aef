/** Tier: no adapter. What is printed of pictures as they are done: a bar on a terminal, plain lines elsewhere. */
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { GmtlError } from '../src/engine/errors.ts';
import type { PictureOutcome } from '../src/retina/predict/inferPictures.ts';
import { poolNote } from './infer.ts';
import { startPictures } from './pictureProgress.ts';

const failed = (name: string): PictureOutcome => ({
  input: { path: name, name },
  error: new GmtlError('infer/no-fundus', `${name}: no bright disc`),
});

/** Prints three pictures, one each second. */
function printed(isTTY: boolean): { out: string; err: string } {
  const [out, err] = [new PassThrough(), new PassThrough()];
  let now = 0;
  const stream = Object.assign(err, { isTTY, columns: 120, rows: 20 }) as unknown as NodeJS.WriteStream;
  const progress = startPictures(3, false, { out, err: stream, clock: () => now });
  for (const name of ['a.jpg', 'b.jpg', 'c.jpg']) {
    now += 1000;
    progress.show(failed(name));
  }
  progress.stop();
  return { out: String(out.read()), err: String(err.read()) };
}

it('writes plain lines with count, rate and time left where there is no terminal', () => {
  const { out, err } = printed(false);
  expect(err.split('\n').slice(0, 3)).toEqual([
    '1/3, 1.0/s, 2s left  error: a.jpg: no bright disc',
    '2/3, 1.0/s, 1s left  error: b.jpg: no bright disc',
    '3/3, 1.0/s, 0s left  error: c.jpg: no bright disc',
  ]);
  expect(
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).file),
  ).toEqual(['a.jpg', 'b.jpg', 'c.jpg']);
});

it('draws a bar with rate and time left on a terminal, and writes lines above it', () => {
  const { out, err } = printed(true);
  expect(err).toContain('======================== 3/3 | 1.0 images/s | ETA 0s');
  for (const name of ['a', 'b', 'c']) expect(err).toContain(`\r\u001b[Kerror: ${name}.jpg: no bright disc\n`);
  expect(out.trim().split('\n')).toHaveLength(3);
});

it('says that threads wait for each other to decode where the pool is smaller', () => {
  expect(poolNote(16, undefined)).toBe(
    'note: 16 threads share the 4 that Node decodes with. For more, start with UV_THREADPOOL_SIZE=16 in the environment',
  );
  expect([poolNote(4, undefined), poolNote(0, undefined), poolNote(16, '16')]).toEqual([null, null, null]);
});
