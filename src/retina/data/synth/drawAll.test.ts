/** Tier: any adapter, built command line. Retinas drawn on threads, which only the built package can start. */
import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { type DrawJob, drawAll, type Drawn } from './drawAll.ts';

const built = new URL('../../../../dist/src/retina/data/synth/drawAll.js', import.meta.url).href;
const { drawAll: drawOnThreads } = (await import(/* @vite-ignore */ built)) as { drawAll: typeof drawAll };

const jobs: DrawJob[] = Array.from({ length: 16 }, (_, index) => ({
  key: `threads/${index}`,
  height: 64,
  wanted: { retinopathy: index % 3, edema: index % 3 === 2 ? 1 : 0, softExudates: false },
}));

async function collect(drawing: AsyncIterable<Drawn>): Promise<Drawn[]> {
  const drawn: Drawn[] = [];
  for await (const { width, height, rgb, masks } of drawing) drawn.push({ width, height, rgb, masks });
  return drawn;
}

it('has the pixels of one thread, in the order of the jobs', async () => {
  expect(await collect(drawOnThreads(jobs))).toEqual(await collect(drawAll(jobs)));
});

it('ends with the error of the picture that cannot be drawn, after those before it', async () => {
  const impossible = jobs.map((job, index) => (index === 14 ? { ...job, height: 8 } : job));
  const drawn: Drawn[] = [];
  await expect(async () => {
    for await (const one of drawOnThreads(impossible)) drawn.push(one);
  }).rejects.toMatchObject({ code: 'data/synthetic-placement', message: expect.stringContaining('threads/14') });
  expect(drawn).toHaveLength(14);
});

it.skipIf(availableParallelism() < 2)('ends with an error where a thread ends, and does not wait for it', async () => {
  const thread = new URL(
    `data:text/javascript,${encodeURIComponent("import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(3));")}`,
  );
  await expect(collect(drawAll(jobs, thread))).rejects.toThrow(/a thread that draws pictures ended \(exit code 3\)/);
});
