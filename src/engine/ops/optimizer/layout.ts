/** How states and slots are laid out, the same on every device. */

/** Groups of four floats that each parameter has in front of all moments: [hyper], what changes from step to step. */
export const HEAD_GROUPS = 1;

/** Groups of four floats that a moment of a parameter of `size` elements takes. */
export function momentGroups(size: number): number {
  return Math.ceil(size / 4);
}

const ELEMENTS_PER_SLOT = 512;

const MAX_SLOTS = 4096;

/**
 * Slots (pairs of numbers, one per thread) that `size` elements are summed into: enough threads for a GPU on a large tensor,
 * one on a bias. The same on every device, so that norms are the same too.
 */
export function slotsFor(size: number): number {
  return Math.min(MAX_SLOTS, Math.ceil(size / ELEMENTS_PER_SLOT));
}
