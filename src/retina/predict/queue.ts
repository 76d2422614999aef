/** A stream of pictures: jobs in a BullMQ queue (Redis or Valkey), put in by one process and worked off by any number of others. */
import type * as BullMq from 'bullmq';
import type { ConnectionOptions, Job, Queue } from 'bullmq';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode } from '../../engine/node/atomic.ts';
import { requireOptional } from '../../engine/node/optional.ts';
import type { WorkerHealth } from './health.ts';
import { addOutcome, type InferAndWriteOptions, lookOnce, type PictureOutcome } from './inferPictures.ts';
import type { InferInput } from './inputs.ts';
import type { Journal } from './journal.ts';
import type { PictureNetwork, PreparedAs } from './pictureNetwork.ts';
import { jobOf, parseJob } from './queueJob.ts';
import { workOnPicture } from './pictureWork.ts';
import type { ResultsFolder } from './results.ts';

/** Where jobs wait. */
export interface QueueAddress {
  /** `redis://[user:password@]host[:port][/database]`, `rediss://` with TLS. */
  readonly url: string;
  /** The queue's name on that server. */
  readonly name: string;
}

/** Jobs put in with one command. */
const BATCH = 500;

/**
 * A job whose worker vanished is given to another one so often, then it counts as failed: it may be what kills them. Twice, because a worker and the server
 * may be killed in turn while it is under way.
 */
const MOST_VANISHED = 2;

const bullmq = (): typeof BullMq => requireOptional<typeof BullMq>('bullmq');

/** Milliseconds in which a server must answer the first time, and how often it is asked by a command that does not wait for it. */
const ANSWER_WITHIN = 5000;
const ASKED = 3;

/** Milliseconds between a worker's tries to reach a server, at most. */
const LONGEST_WAIT = 3000;

/** @throws GmtlError `infer/queue` for what is not an address, or not a queue's name. */
export function requireQueue({ url, name }: QueueAddress): void {
  if (name === '' || name.includes(':')) {
    throw new GmtlError(
      'infer/queue',
      `the queue's name ${JSON.stringify(name)} is empty or has a colon: give another`,
    );
  }
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const isAddress = parsed !== null && /^rediss?:$/.test(parsed.protocol) && parsed.hostname !== '';
  if (isAddress && /^(\/\d*)?$/.test(parsed.pathname) && !/\s/.test(url)) return;
  throw new GmtlError(
    'infer/queue',
    `${shown(url)}: give the address of a queue as redis://host:6379, or rediss:// with TLS; a database's number may follow (/1)`,
  );
}

/** An address for messages: without user and password. */
const shown = (url: string): string => url.replace(/\/\/.*@/, '//…@');

/** As BullMQ wants it of workers: commands wait for a server that is away. @throws GmtlError as {@link requireQueue}. */
function connectionTo(address: QueueAddress): ConnectionOptions {
  requireQueue(address);
  return { url: address.url, maxRetriesPerRequest: null };
}

/**
 * Puts a job for each picture into the queue. A picture (path, id and frame) that is in the queue, or was, is not put in again.
 *
 * @returns how many of the jobs are new.
 * @throws GmtlError `infer/queue-away` where the server cannot be reached, `infer/queue` where it refuses.
 */
export async function enqueuePictures({ url, name }: QueueAddress, inputs: readonly InferInput[]): Promise<number> {
  const connection: ConnectionOptions = {
    ...connectionTo({ url, name }),
    connectTimeout: ANSWER_WITHIN,
    retryStrategy: (times) => (times < ASKED ? 200 : null),
  };
  const queue = new (bullmq().Queue)(name, { connection });
  let trouble: unknown;
  queue.on('error', (error) => {
    trouble ??= error;
  });
  try {
    await queue.waitUntilReady();
    const before = await countJobs(queue);
    for (let start = 0; start < inputs.length; start += BATCH) {
      await queue.addBulk(inputs.slice(start, start + BATCH).map(jobOf));
    }
    return (await countJobs(queue)) - before;
  } catch (closed) {
    // What ended the connection says more than that it is closed.
    const cause = trouble ?? closed;
    const why = (cause instanceof Error && (cause.message || ('code' in cause && String(cause.code)))) || String(cause);
    throw new GmtlError(
      isAway(cause) ? 'infer/queue-away' : 'infer/queue',
      `${shown(url)}: the queue's server cannot be used (${why}). Is it running, and is the address right? Pictures that were put in are not put in again.`,
      { cause },
    );
  } finally {
    await queue.close();
  }
}

/** What systems answer where no server is, or none yet. */
const AWAY: readonly (string | undefined)[] = [
  ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['EAI_AGAIN', 'ENOTFOUND'],
];

/** Whether an error says that no server answered, which may pass; else it answered and refused. */
function isAway(cause: unknown): boolean {
  if (cause instanceof AggregateError) return cause.errors.every((error) => isAway(error));
  return AWAY.includes(errorCode(cause)) || (cause instanceof Error && /connect ETIMEDOUT|LOADING/.test(cause.message));
}

const countJobs = async (queue: Queue): Promise<number> =>
  Object.values(await queue.getJobCounts()).reduce((sum, count) => sum + count, 0);

export interface WorkOptions extends InferAndWriteOptions {
  readonly journal: Journal;
  readonly model: string;
  /** End when no job waits, is under way anywhere, or is to be tried again. Default: wait for more. */
  readonly drain?: boolean;
  /** Seconds after which a job whose worker gave no sign of life is given to another. */
  readonly lockSeconds: number;
  /** Pictures under way at once. */
  readonly ahead: number;
  readonly stop: AbortSignal;
  /** Told what the worker does. */
  readonly health: WorkerHealth;
  readonly onPicture: (outcome: PictureOutcome) => void;
  readonly onNote: (text: string) => void;
}

/**
 * Works off jobs until it is told to stop, finishing those in hand. A job counts as done when its result is in the folder's record, so that a kill at any
 * moment loses none: the job goes to another worker, or comes back, and the same picture has the same result. A picture that cannot be read is done, with an error in
 * its row; a job that names no picture fails for good; any other failure ends the worker and the job is tried again.
 *
 * @throws GmtlError what ended the worker.
 */
export async function workQueue(
  predictor: PictureNetwork<PreparedAs>,
  { url, name }: QueueAddress,
  { folder, table, lock }: ResultsFolder,
  {
    journal,
    model,
    drain = false,
    lockSeconds,
    ahead,
    stop,
    health,
    onPicture,
    onNote,
    provenance,
    adjust = (result) => result,
    ...options
  }: WorkOptions,
): Promise<void> {
  // Rows that a kill kept from the table.
  for (const entry of journal.entries()) {
    if (entry.model === model) await table.add(entry.result, entry.input, entry.provenance);
  }
  const workOptions = { folder, provenance, ...options };
  requireQueue({ url, name });
  // Recorded before there are jobs: compiling holds up this thread, and with it the signs of life.
  await predictor.warmUp(options);
  const { Queue, UnrecoverableError, Worker } = bullmq();
  const failures: unknown[] = [];
  const ending = new AbortController();
  const ended = AbortSignal.any([stop, ending.signal]);
  const over = new Promise<null>((end) => ended.addEventListener('abort', () => end(null), { once: true }));
  const connection: ConnectionOptions = {
    ...connectionTo({ url, name }),
    // A server that is away is waited for, but not by a worker that is to end.
    retryStrategy: (times) => (ended.aborted ? null : Math.min(500 * times, LONGEST_WAIT)),
  };
  const look = async (job: Job<unknown>): Promise<{ file: string; error?: string }> => {
    let input: InferInput;
    try {
      input = parseJob(job.data);
    } catch (error) {
      // Another worker would refuse it too.
      throw new UnrecoverableError((error as Error).message);
    }
    health.began();
    try {
      const work = (input: InferInput, keeps: boolean) => workOnPicture(predictor, input, workOptions, adjust, keeps);
      const outcome = await lookOnce(work, input, { journal, model }, workOptions, lock);
      await addOutcome(table, outcome, provenance);
      onPicture(outcome);
      health.ended('error' in outcome ? 'failed' : 'done');
      return { file: input.path, ...('error' in outcome && { error: outcome.error.message }) };
    } catch (error) {
      health.ended('again');
      failures.push(error);
      ending.abort();
      throw error;
    }
  };
  const worker = new Worker<unknown>(name, look, {
    connection,
    concurrency: ahead,
    lockDuration: 1000 * lockSeconds,
    // Looks for jobs without a lock; those that are worked on have one.
    stalledInterval: 500 * lockSeconds,
    maxStalledCount: MOST_VANISHED,
    autorun: false,
  });
  const queue = new Queue(name, { connection });
  health.countJobs = countsOf(queue);
  let trouble = '';
  const onTrouble = (error: Error): void => {
    if (error.message !== trouble) onNote(`${shown(url)}: ${error.message || 'no connection'}; trying again`);
    trouble = error.message;
  };
  worker.on('error', onTrouble);
  queue.on('error', onTrouble);
  worker.on('completed', () => {
    trouble = '';
  });
  worker.on('failed', (job, error) => onNote(`job ${job?.id ?? ''}${pathIn(job?.data)}: ${error.message}`));
  const stopping = (): void => {
    health.state = 'stopping';
  };
  health.state = 'working';
  ended.addEventListener('abort', stopping);
  // It may have been told so while the network was recorded.
  if (ended.aborted) stopping();
  const running = worker.run();
  running.catch((error: unknown) => {
    failures.push(error);
    ending.abort();
  });
  try {
    while (!ended.aborted) {
      await new Promise<void>((wake) => {
        const timer = setTimeout(done, 500);
        function done(): void {
          clearTimeout(timer);
          ended.removeEventListener('abort', done);
          wake();
        }
        ended.addEventListener('abort', done);
      });
      if (drain && !ended.aborted && (await isEmpty(queue, over))) break;
    }
  } finally {
    // Waits for the pictures in hand.
    await worker.close();
    await table.write();
    await queue.close();
  }
  if (failures.length > 0) throw failures[0];
}

/** The picture of a job that may be anything, for a message. */
function pathIn(data: unknown): string {
  const path = (data as Partial<InferInput> | null | undefined)?.path;
  return typeof path === 'string' ? ` (${path})` : '';
}

/** Milliseconds in which the server must answer a question of health. */
const HEALTH_WITHIN = 1000;

/** Asks a queue for its jobs by state; null where the server does not answer. A question that was not answered yet is not asked again. */
function countsOf(queue: Queue): () => Promise<Readonly<Record<string, number>> | null> {
  let asked: Promise<Readonly<Record<string, number>> | null> | null = null;
  return () => {
    asked ??= queue
      .getJobCounts('waiting', 'active', 'delayed', 'failed')
      .catch(() => null)
      .finally(() => {
        asked = null;
      });
    const late = new Promise<null>((resolve) => setTimeout(resolve, HEALTH_WITHIN, null).unref());
    return Promise.race([asked, late]);
  };
}

/** Whether nothing waits, is under way or is to come; false once `over` has settled. */
async function isEmpty(queue: Queue, over: Promise<null>): Promise<boolean> {
  const counts = await Promise.race([
    queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized').catch(() => null),
    over,
  ]);
  return counts !== null && Object.values(counts).every((count) => count === 0);
}
