/** The processes that compute one thing together: what they exchange, and how they end together. */
import { hostname } from 'node:os';
import { deserialize, serialize } from 'node:v8';
import { GmtlError } from '../errors.ts';
import { type Launcher, launcherOf } from './launcher.ts';
import { loadMpi, type MpiLibrary } from './mpiLibrary.ts';

/** Milliseconds and bytes that this process spent on the others since it started. */
export interface RankTiming {
  /** Until the last one had come. */
  waitMs: number;
  /** Moving data and summing it. */
  exchangeMs: number;
  /** Bytes sent to other ranks. */
  sentBytes: number;
}

/** One of several processes. Every rank must call the same methods in the same order. */
export interface Ranks {
  readonly rank: number;
  readonly size: number;
  readonly timing: RankTiming;
  /** The bytes of all ranks, by rank. */
  gather(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** See the function of that name: here for code that a browser runs too, which has no ranks but cannot import them either. */
  gatherValues<T>(value: T): Promise<T[]>;
  /** The sums of all ranks' vectors of one length, added in the order of {@link treeSum}. `values` may be overwritten. */
  sum(values: Float32Array, flush: boolean): Promise<Float32Array>;
  /** Throws an error that every rank throws at this place: the job then ends with one message and nobody is aborted. */
  agree(error: GmtlError): never;
}

/** The values of all ranks, by rank: plain objects, arrays and typed arrays. */
export async function gatherValues<T>(ranks: Ranks, value: T): Promise<T[]> {
  const all = await ranks.gather(serialize(value));
  return all.map((bytes) => deserialize(bytes) as T);
}

/** The smallest float32 that is not subnormal. */
const LEAST_NORMAL = 2 ** -126;

/**
 * Sums vectors in float32 in a fixed binary tree: those up to the largest power of two below their number, and the rest, each summed so.
 * The sum is in the first vector.
 *
 * @param flush take subnormal numbers for 0, as adapters do that flush them.
 */
export function treeSum(vectors: readonly Float32Array[], flush: boolean): Float32Array {
  if (vectors.length === 1) return vectors[0];
  const half = 2 ** (Math.ceil(Math.log2(vectors.length)) - 1);
  const left = treeSum(vectors.slice(0, half), flush);
  const right = treeSum(vectors.slice(half), flush);
  if (!flush) {
    for (let i = 0; i < left.length; i++) left[i] += right[i];
    return left;
  }
  const flushed = (value: number): number => (Math.abs(value) < LEAST_NORMAL ? 0 : value);
  for (let i = 0; i < left.length; i++) left[i] = flushed(Math.fround(flushed(left[i]) + flushed(right[i])));
  return left;
}

/** Polls that follow each other at once before a rank sleeps between them: ranks that are in step do not lose a millisecond. */
const QUICK_POLLS = 50;

/** Ranks of an MPI job. */
export class MpiRanks implements Ranks {
  readonly rank: number;
  readonly size: number;
  readonly timing: RankTiming = { waitMs: 0, exchangeMs: 0, sentBytes: 0 };
  readonly #mpi: MpiLibrary;
  #send = new Float32Array(0);
  #receive = new Float32Array(0);
  #agreed: unknown = null;

  constructor(mpi: MpiLibrary) {
    this.#mpi = mpi;
    this.rank = mpi.rank();
    this.size = mpi.size();
  }

  /** `libmpi.so.40: Open MPI v4.1.4`. */
  get library(): string {
    return `${this.#mpi.path}: ${this.#mpi.version}`;
  }

  gatherValues<T>(value: T): Promise<T[]> {
    return gatherValues(this, value);
  }

  async gather(bytes: Uint8Array): Promise<Uint8Array[]> {
    await this.#meet();
    const started = performance.now();
    const lengths = new Int32Array(this.size);
    this.#mpi.allgather(Int32Array.of(bytes.length), lengths);
    const most = lengths.reduce((a, b) => Math.max(a, b), 0);
    const padded = new Uint8Array(most);
    padded.set(bytes);
    const all = new Uint8Array(most * this.size);
    this.#mpi.allgather(padded, all);
    this.timing.sentBytes += (this.size - 1) * (most + 4);
    this.timing.exchangeMs += performance.now() - started;
    return Array.from(lengths, (length, rank) => all.slice(rank * most, rank * most + length));
  }

  async sum(values: Float32Array, flush: boolean): Promise<Float32Array> {
    await this.#meet();
    const started = performance.now();
    const { size } = this;
    const chunk = Math.ceil(values.length / size);
    if (this.#send.length < chunk * size) {
      this.#send = new Float32Array(chunk * size);
      this.#receive = new Float32Array(chunk * size);
    }
    const send = this.#send.subarray(0, chunk * size);
    const receive = this.#receive.subarray(0, chunk * size);
    send.set(values);
    // Each rank gets everyone's share of one chunk, adds it up in the tree's order, and hands the sum to all.
    this.#mpi.alltoall(send, receive);
    const shares = Array.from({ length: size }, (_, rank) => receive.subarray(rank * chunk, (rank + 1) * chunk));
    const own = treeSum(shares, flush).slice();
    this.#mpi.allgather(own, receive);
    this.timing.sentBytes += 2 * (size - 1) * chunk * 4;
    this.timing.exchangeMs += performance.now() - started;
    return receive.slice(0, values.length);
  }

  agree(error: GmtlError): never {
    this.#agreed = error;
    throw error;
  }

  isAgreed(error: unknown): boolean {
    return error === this.#agreed;
  }

  /** Waits for all ranks without keeping a processor busy, as blocking calls of most MPI libraries do. */
  async #meet(): Promise<void> {
    const started = performance.now();
    const arrived = this.#mpi.barrier();
    for (let polls = 0; !arrived(); polls++) {
      await new Promise<void>((resume) => {
        if (polls < QUICK_POLLS) setImmediate(resume);
        else setTimeout(resume, 1);
      });
    }
    this.timing.waitMs += performance.now() - started;
  }

  async finalize(): Promise<void> {
    await this.#meet();
    this.#mpi.finalize();
  }

  abort(code: number): never {
    return this.#mpi.abort(code);
  }
}

function join(launcher: Launcher | null): MpiRanks {
  const mpi = loadMpi();
  mpi.init();
  const ranks = new MpiRanks(mpi);
  if (launcher && launcher.size !== ranks.size) {
    const { name, size } = launcher;
    const others = `${ranks.size} process${ranks.size === 1 ? '' : 'es'}`;
    const message =
      `${name} started ${size} processes, but ${ranks.library} sees ${others}: the launcher and the library are of different ` +
      'MPIs. Use the mpirun of that library (srun: --mpi=pmix for Open MPI, --mpi=pmi2 for MPICH), or name the library that belongs to ' +
      'the launcher: GMTL_MPI_LIBRARY=/path/to/libmpi.so';
    // Each believes to be alone: there is nobody to abort.
    throw new GmtlError('ranks/launcher', message);
  }
  return ranks;
}

/** Milliseconds that ranks other than 0 leave it to say first what went wrong on all of them. */
const ABORT_DELAY = 300;

/**
 * Runs `body` as one of the ranks that a launcher started, or with null where this process was started alone. All ranks end
 * together: when one throws, MPI aborts the others.
 *
 * @param wanted join MPI even where no launcher is recognized.
 * @throws GmtlError `install/missing`, `ranks/no-mpi`, `ranks/launcher`; what `body` throws where there is but one process.
 */
export async function withRanks<T>(wanted: boolean, body: (ranks: MpiRanks | null) => Promise<T>): Promise<T> {
  const launcher = launcherOf(process.env);
  if (!wanted && (launcher === null || launcher.size === 1)) return body(null);
  const ranks = join(launcher);
  const fail = async (error: unknown): Promise<never> => {
    if (ranks.rank > 0) await new Promise((resume) => setTimeout(resume, ABORT_DELAY));
    const text = error instanceof GmtlError ? error.message : error instanceof Error ? error.stack : String(error);
    console.error(`rank ${ranks.rank} of ${ranks.size} on ${hostname()}: ${text}\nAll ranks are ended.`);
    return ranks.abort(1);
  };
  process.once('uncaughtException', fail);
  process.once('unhandledRejection', fail);
  let result: T;
  try {
    result = await body(ranks);
  } catch (error) {
    if (!ranks.isAgreed(error)) return fail(error);
    await ranks.finalize();
    // Rank 0 says it, and its exit code is the job's. After an error's code of another rank a launcher ends rank 0 before it has spoken.
    if (ranks.rank > 0) process.exit(0);
    throw error;
  } finally {
    process.removeListener('uncaughtException', fail);
    process.removeListener('unhandledRejection', fail);
  }
  await ranks.finalize();
  return result;
}
