/** Tier: no adapter. Waits settle with their promise, and the event loop sleeps in between. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { sleepingWait } from './sleepingWait.ts';

it('settles as what it waits for does', async () => {
  expect(await sleepingWait(sleep(5, 'done'))).toBe('done');
  await expect(sleepingWait(Promise.reject(new Error('lost')))).rejects.toThrow('lost');
});

it('sleeps no longer for the hundredth of waits in a row than for the first', async () => {
  const waits = async (count: number): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < count; i++) await sleepingWait(sleep(4));
    return performance.now() - start;
  };
  const first = await waits(20);
  await waits(100);
  expect(await waits(20)).toBeLessThan(2 * first);
});

it('slows a loop of immediates down while something is waited for, and not afterwards', async () => {
  const turnsDuring = async (pending: Promise<unknown>): Promise<number> => {
    let turns = 0;
    let done = false;
    const turn = (): void => {
      turns++;
      if (!done) setImmediate(turn);
    };
    turn();
    await pending;
    done = true;
    return turns;
  };
  const polled = await turnsDuring(sleep(200));
  // Two at once, one of which ends early.
  const [napped] = await Promise.all([turnsDuring(sleepingWait(sleep(200))), sleepingWait(sleep(50))]);
  expect(napped).toBeGreaterThan(100);
  expect(napped).toBeLessThan(polled / 2);
  expect(await turnsDuring(sleep(200))).toBeGreaterThan(2 * napped);
});
