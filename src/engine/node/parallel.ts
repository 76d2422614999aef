/** Limits how many asynchronous jobs run at a time. */
import { availableParallelism } from 'node:os';

/** Runs at most `limit` of the given asynchronous jobs at a time; the others wait in order. */
export class Limiter {
  readonly limit: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number = availableParallelism()) {
    this.limit = Math.max(1, limit);
  }

  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#running < this.limit) this.#running++;
    else await new Promise<void>((resume) => this.#waiting.push(resume));
    try {
      return await job();
    } finally {
      // The place is handed to the next in line directly, so that a newcomer cannot slip in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

/** `map` with at most `limit` calls at a time; results in the order of the inputs. The first failure is thrown, and no further call is made. */
export async function mapParallel<T, R>(
  inputs: readonly T[],
  job: (input: T, index: number) => Promise<R>,
  limit: number = availableParallelism(),
): Promise<R[]> {
  const results = new Array<R>(inputs.length);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < inputs.length) {
      const index = next++;
      try {
        results[index] = await job(inputs[index], index);
      } catch (error) {
        next = inputs.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, limit) }, work));
  return results;
}
