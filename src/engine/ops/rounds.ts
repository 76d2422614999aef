/** Rounds of workgroups on a GPU: how many run at a time, and how work is cut so that the last round is not left idle. Arithmetic; no GPU was measured. */
import { ceilDiv } from '../tensor/shape.ts';

/** Multiprocessors of the GPU that plans have in mind. */
export const MULTIPROCESSORS = 128;
/** Threads that such a GPU runs at a time, counting 256 on each. */
export const ROUND = MULTIPROCESSORS * 256;

/**
 * Workgroups over all parts of a long axis that give a GPU two to four rounds of work and leave little of the last one idle: the fewest that
 * fill 0.9 of their rounds, else those that fill most. Every part's sums are written and read once more.
 */
export function wholeRounds(tiles: number, threads: number): number {
  const fits = [2, 3, 4].map((rounds) => {
    const most = (rounds * ROUND) / threads;
    const workgroups = Math.max(tiles, most - (most % tiles));
    return { workgroups, filled: workgroups / (ceilDiv(workgroups * threads, ROUND) * (ROUND / threads)) };
  });
  const full = fits.find(({ filled }) => filled >= 0.9);
  return (full ?? fits.reduce((best, fit) => (fit.filled > best.filled ? fit : best))).workgroups;
}
