/** Stops long work in good order: what a signal or a closed pipe asks for is passed on, so that the work saves itself first. */
import { errorCode } from '../src/engine/node/atomic.ts';
import { EXIT_CODES } from './exitCodes.ts';

const SIGNALS = {
  SIGINT: EXIT_CODES.interrupt.code,
  SIGTERM: EXIT_CODES.terminate.code,
  SIGHUP: EXIT_CODES.hangup.code,
  SIGUSR2: EXIT_CODES.userSignal.code,
} as const;

/** npx passes a Ctrl-C on that the terminal has sent already: what comes sooner than this is the same one. */
const ECHO_MS = 500;

/**
 * Lets a command go on where what it prints cannot be written: the reader went away (`| head`, a closed pager), or the disk that it goes to is
 * full. What it prints is dropped, what it writes to files is not. Without this, Node ends the process with a stack trace in the middle of the
 * work. Who closed a pipe knows it; of other losses the exit code tells, and the other stream once.
 */
export function surviveUnwritableOutput(): void {
  const streams = [process.stdout, process.stderr] as const;
  const reported = new Set<NodeJS.WriteStream>();
  for (const [at, stream] of streams.entries()) {
    stream.on('error', (error: Error) => {
      if (errorCode(error) === 'EPIPE' || reported.has(stream)) return;
      reported.add(stream);
      process.exitCode ??= errorCode(error) === 'ENOSPC' ? EXIT_CODES.tryAgain.code : EXIT_CODES.badInput.code;
      const which = at === 0 ? 'standard output' : 'standard error';
      streams[1 - at].write(
        `warning: ${which} cannot be written (${error.message}): the work goes on, what is printed there is lost\n`,
      );
    });
  }
}

/**
 * Runs work that can be stopped. The first SIGINT, SIGTERM, SIGHUP or SIGUSR2 aborts the signal that the work was given and makes the exit code that
 * of the signal; the work saves itself and returns. The second ends the process at once.
 *
 * @param said what is said on standard error when it is asked to stop.
 */
export async function stoppable<T>(said: string, work: (stop: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (code: number): void => {
    if (controller.signal.aborted) return;
    process.exitCode = code;
    controller.abort();
  };
  let askedAt = 0;
  const handlers = Object.entries(SIGNALS).map(([name, code]) => {
    const handler = (): void => {
      if (controller.signal.aborted) {
        if (performance.now() - askedAt > ECHO_MS) process.exit(code);
        return;
      }
      askedAt = performance.now();
      stop(code);
      console.error(`\n${said} (Once more: stop at once.)`);
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  try {
    return await work(controller.signal);
  } finally {
    for (const [name, handler] of handlers) process.removeListener(name, handler);
  }
}
