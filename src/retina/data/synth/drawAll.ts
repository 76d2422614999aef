/** Draws many retinas, on every core where there are enough of them. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { errorOf, type PackedError } from '../../../engine/node/threadErrors.ts';
import { drawFundus, type Fundus } from './fundus.ts';
import type { Wanted } from './labels.ts';

/** One picture to draw; the parameters of {@link drawFundus}. */
export interface DrawJob {
  readonly key: string;
  readonly height: number;
  readonly wanted: Wanted;
}

/** What is written of a drawn retina. */
export type Drawn = Pick<Fundus, 'width' | 'height' | 'rgb' | 'masks'>;

/** What a thread is told, and what it answers. */
export type DrawOrder = DrawJob & { readonly index: number };
export type DrawAnswer = { readonly index: number } & ({ readonly drawn: Drawn } | { readonly refused: PackedError });

/** Fewer pictures for each thread than these are drawn before it has started. */
const LEAST_PER_THREAD = 8;

/** Node 20 loads no TypeScript in a thread: sources that run as they are, in tests, draw in the thread that asks. */
const isBuilt = import.meta.url.endsWith('.js');

/**
 * Draws the pictures and yields them in their order; at most two for each thread wait to be taken. The same pixels on any number of threads.
 *
 * @throws GmtlError as {@link drawFundus}
 */
export async function* drawAll(jobs: readonly DrawJob[]): AsyncGenerator<Drawn> {
  const threads = Math.min(availableParallelism(), Math.floor(jobs.length / LEAST_PER_THREAD));
  if (!isBuilt || threads < 2) {
    for (const { key, height, wanted } of jobs) yield drawFundus(key, height, wanted);
    return;
  }
  const workers = Array.from({ length: threads }, () => new Worker(new URL('./drawThread.js', import.meta.url)));
  try {
    yield* inOrder(workers, jobs);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** Keeps every thread busy with the next picture, and yields what they drew in the order of the jobs. */
async function* inOrder(workers: readonly Worker[], jobs: readonly DrawJob[]): AsyncGenerator<Drawn> {
  const answers = new Map<number, DrawAnswer>();
  const idle = [...workers];
  let failure: unknown = null;
  let wake = (): void => {};
  for (const worker of workers) {
    worker.on('message', (answer: DrawAnswer) => {
      answers.set(answer.index, answer);
      idle.push(worker);
      wake();
    });
    worker.on('error', (error) => {
      failure ??= error;
      wake();
    });
  }
  let next = 0;
  for (let index = 0; index < jobs.length; index++) {
    for (;;) {
      while (idle.length > 0 && next < Math.min(jobs.length, index + 2 * workers.length)) {
        idle.pop()?.postMessage({ ...jobs[next], index: next } satisfies DrawOrder);
        next++;
      }
      if (failure !== null) throw failure;
      if (answers.has(index)) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const answer = answers.get(index) as DrawAnswer;
    answers.delete(index);
    if ('refused' in answer) throw errorOf(answer.refused);
    yield answer.drawn;
  }
}
