/** What a command's exit code says: the one place where codes are given out; docs/commands.md shows the same table. */
import { GmtlError } from '../src/engine/errors.ts';

/** Every exit code with its meaning, in the words of docs/commands.md. */
export const EXIT_CODES = {
  done: { code: 0, meaning: 'everything that was asked for is done' },
  badInput: {
    code: 1,
    meaning:
      'bad input: an argument, a file, a picture, a data set, a run or its weights; a package that is not installed',
  },
  configuration: {
    code: 2,
    meaning: 'bad configuration: a setting that is unknown, out of range or at odds with another',
  },
  someFailed: { code: 3, meaning: 'some of the pictures failed; the others are done and written' },
  device: { code: 4, meaning: 'the adapter: none fits, it was lost, or its memory is used up' },
  fault: { code: 70, meaning: 'a fault in gmtl; `--debug` shows where' },
  tryAgain: {
    code: 75,
    meaning: "what may pass: the disk is full (not a quota), or the queue's server is not there; try again",
  },
  hangup: { code: 129, meaning: 'stopped by SIGHUP (the terminal was closed), after the work was saved' },
  interrupt: { code: 130, meaning: 'stopped by SIGINT (Ctrl-C), after the work was saved' },
  userSignal: {
    code: 140,
    meaning: 'stopped by SIGUSR2, which schedulers can send before the time is up, after the work was saved',
  },
  terminate: { code: 143, meaning: 'stopped by SIGTERM, after the work was saved' },
} as const satisfies Record<string, { code: number; meaning: string }>;

/** Codes of errors that only some of the pictures caused. */
const SOME_FAILED: readonly string[] = ['infer/some-failed'];

/** Codes of errors that may be over by the next try. */
const PASSING: readonly string[] = ['io/disk-full', 'infer/queue-away'];

/** The exit code for an error that ends a command. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof GmtlError)) return EXIT_CODES.fault.code;
  if (SOME_FAILED.includes(error.code)) return EXIT_CODES.someFailed.code;
  if (PASSING.includes(error.code)) return EXIT_CODES.tryAgain.code;
  const [area] = error.code.split('/');
  if (area === 'config') return EXIT_CODES.configuration.code;
  if (area === 'adapter' || area === 'gpu') return EXIT_CODES.device.code;
  return EXIT_CODES.badInput.code;
}
