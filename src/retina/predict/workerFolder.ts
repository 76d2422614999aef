/** The folder that a worker of a queue writes: its own, whoever else works on the same machine. */
import { join } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import type { LockTimes, RunLock } from '../run/lock.ts';
import { lockResults } from './results.ts';

/** Starts the names of these folders. */
export const WORKER_FOLDER = 'worker-';

/** A folder, and the lock on it. */
export interface WorkerFolder {
  readonly id: string;
  readonly folder: string;
  readonly lock: RunLock;
}

/**
 * Takes OUT/worker-ID.
 *
 * @param id given by the user: it is this one or none. Undefined: the machine's name, and with a number where another worker has that
 * (`node-2`), the first that is free: so that workers that are started again find their records.
 * @throws GmtlError `infer/locked` where another process has the folder, and as `lockResults`.
 */
export async function takeWorkerFolder(
  out: string,
  id: string | undefined,
  host: string,
  note: (text: string) => void,
  times?: LockTimes,
): Promise<WorkerFolder> {
  const take = async (one: string): Promise<WorkerFolder> => {
    const folder = join(out, WORKER_FOLDER + one);
    return { id: one, folder, lock: await lockResults(folder, note, times) };
  };
  if (id !== undefined) return take(id);
  for (let count = 1; ; count++) {
    try {
      const taken = await take(count === 1 ? host : `${host}-${count}`);
      if (count > 1) {
        const others = count === 2 ? 'another worker' : `${count - 1} others`;
        note(
          `worker   ${taken.id}, because ${others} of this name ${count === 2 ? 'writes' : 'write'} below ${out} too`,
        );
      }
      return taken;
    } catch (error) {
      if (!(error instanceof GmtlError) || error.code !== 'infer/locked') throw error;
    }
  }
}
