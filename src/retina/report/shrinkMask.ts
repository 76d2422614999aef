/** Makes masks small enough to be shown. */

/** Any-pixel reduction: a 20-pixel microaneurysm survives where averaging or sampling would lose it. */
export function shrinkMask(
  mask: Uint8Array,
  from: { width: number; height: number },
  width: number,
  height: number,
): Uint8Array {
  const small = new Uint8Array(width * height);
  for (let y = 0; y < from.height; y++) {
    const row = Math.min(height - 1, Math.floor((y * height) / from.height)) * width;
    for (let x = 0; x < from.width; x++) {
      if (mask[y * from.width + x] !== 0) small[row + Math.min(width - 1, Math.floor((x * width) / from.width))] = 1;
    }
  }
  return small;
}
