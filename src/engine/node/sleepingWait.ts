/**
 * Waits for the device without occupying a core. While a promise of Dawn's is pending, its Node binding polls at every turn of the event loop;
 * on a software adapter the polling takes the core that should compute. So the event loop sleeps between two polls, at most a twentieth
 * of the time waited so far: an answer can be noticed that much late.
 */
const LONGEST_MILLISECONDS = 0.5;
const SHORTEST_MILLISECONDS = 0.02;

const cell = new Int32Array(new SharedArrayBuffer(4));
let waiting = 0;
let since = 0;
/** Whether the loop runs. There is only one: a wait may begin before the loop has noticed that the previous wait ended. */
let looping = false;

function sleepBeforePoll(): void {
  looping = waiting > 0;
  if (!looping) return;
  const milliseconds = Math.min(LONGEST_MILLISECONDS, (performance.now() - since) / 20);
  if (milliseconds >= SHORTEST_MILLISECONDS) Atomics.wait(cell, 0, 0, milliseconds);
  setImmediate(sleepBeforePoll);
}

/** Settles as `pending` does; until then the event loop sleeps between polls. */
export async function sleepingWait<T>(pending: Promise<T>): Promise<T> {
  since = performance.now();
  waiting++;
  if (!looping) {
    looping = true;
    setImmediate(sleepBeforePoll);
  }
  try {
    return await pending;
  } finally {
    waiting--;
    since = performance.now();
  }
}
