/** The progress of a benchmark on standard error. */
import { SingleBar } from 'cli-progress';

/** Least time between two lines where standard error is not a terminal. */
const LINE_INTERVAL = 10_000;

/** How far a benchmark is: a bar on a terminal, else (or for debugging) plain lines, on standard error. */
export function startRowProgress(debug: boolean): {
  update: (done: number, total: number, label: string) => void;
  stop: () => void;
} {
  if (debug || !process.stderr.isTTY) {
    let last = Number.NEGATIVE_INFINITY;
    return {
      update: (done, total, label) => {
        if (!debug && performance.now() - last < LINE_INTERVAL) return;
        last = performance.now();
        process.stderr.write(`${done}/${total} ${label}\n`);
      },
      stop: () => undefined,
    };
  }
  const bar = new SingleBar({ format: '{bar} {value}/{total} {label}', clearOnComplete: true, hideCursor: false });
  let running = false;
  return {
    update: (done, total, label) => {
      if (!running) bar.start(total, done, { label });
      running = true;
      bar.update(done, { label: label.slice(0, 50) });
    },
    stop: () => {
      if (running) bar.stop();
      running = false;
    },
  };
}
