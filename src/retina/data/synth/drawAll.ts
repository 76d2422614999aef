/** Draws many retinas, on every core where there are enough of them. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { GmtlError } from '../../../engine/errors.ts';
import { errorOf, type PackedError } from '../../../engine/node/threadErrors.ts';
import { onThreadEnd } from '../threadEnd.ts';
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

/** What a thread is sent, and what it answers. */
export type DrawOrder = DrawJob & { readonly index: number };
export type DrawAnswer = { readonly index: number } & ({ readonly drawn: Drawn } | { readonly refused: PackedError });

/** Fewer pictures for each thread than these are drawn before it has started. */
const LEAST_PER_THREAD = 8;

/** What runs in each thread. Node 20 loads no TypeScript there: sources that run as they are, in tests, draw in the thread that asks. */
const THREAD = import.meta.url.endsWith('.js') ? new URL('./drawThread.js', import.meta.url) : null;

/**
 * Draws the pictures and yields them in their order; at most two for each thread wait to be taken. The same pixels on any number of threads.
 *
 * @param thread what runs in each; null: none is started.
 * @throws GmtlError as {@link drawFundus}; `data/thread` where a thread ends.
 */
export async function* drawAll(jobs: readonly DrawJob[], thread: URL | null = THREAD): AsyncGenerator<Drawn> {
  const threads = Math.min(availableParallelism(), Math.floor(jobs.length / LEAST_PER_THREAD));
  if (thread === null || threads < 2) {
    for (const { key, height, wanted } of jobs) yield drawFundus(key, height, wanted);
    return;
  }
  const workers = Array.from({ length: threads }, () => new Worker(thread));
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
    onThreadEnd(worker, (why, cause) => {
      failure ??= new GmtlError('data/thread', `a thread that draws pictures ended (${why}): run again`, { cause });
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
