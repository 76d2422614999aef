/** How it is heard that a thread has ended: whoever waits for it would wait for ever. */
import type { Worker } from 'node:worker_threads';

/**
 * Calls back once, when a thread has thrown, or has exited: out of memory, by `process.exit`, terminated.
 *
 * @param ended receives why in a few words, and the error that was thrown.
 */
export function onThreadEnd(worker: Worker, ended: (why: string, cause?: Error) => void): void {
  let isOver = false;
  const end = (why: string, cause?: Error): void => {
    if (!isOver) ended(why, cause);
    isOver = true;
  };
  worker.on('error', (error) => end(error.message, error));
  worker.on('exit', (code) => end(`exit code ${code}`));
}
