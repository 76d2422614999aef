/** Ben Graham's normalization of a fundus picture, once its blur is there. */

/** What the picture is cut to, as a share of the radius: the rim, where the blur sees the black around the disc, goes. */
const KEPT_RADIUS = 0.9;

/** The value of "as the surroundings", and of what is cut off. */
const GRAY = 128;

/** Standard deviation of the blur, of a square `size` pixels wide. sharp takes none below 0.3; there the blur is near the identity anyhow. */
export const blurSigma = (size: number): number => Math.max(0.3, size / 2 / 30);

/**
 * Ben Graham's normalization (winner of Kaggle's Diabetic Retinopathy Detection 2015, competition report): per channel
 * `4 I − 4 G(I) + 128`, G a Gaussian blur of sigma R / 30, and gray (128) outside 0.9 R. It takes the illumination and most of
 * the camera's color out. R is half the square's side, as the square is the field of view's (the report scales R to 300, where
 * sigma is 10).
 *
 * Padding is not a part of the picture: IDRiD's frame cuts the disc at top and bottom, and a blur that saw the black beyond would
 * draw a bright and a dark band there. So only what lies in `content` is blurred, its edges repeated, and the rest is gray.
 *
 * @param pixels RGB, `size`x`size`x3. Not changed.
 * @param blurred the content alone, blurred: RGB, row by row.
 * @param content the rectangle that is not padding, [left, top, right, bottom] in pixels of `pixels`.
 * @returns as `pixels`.
 */
export function subtractBlur(
  pixels: Uint8Array,
  blurred: Uint8Array,
  size: number,
  content: readonly [left: number, top: number, right: number, bottom: number],
): Uint8Array {
  const radius = size / 2;
  const [left, top, right, bottom] = content;
  const width = right - left;
  const out = new Uint8ClampedArray(pixels.length).fill(GRAY);
  const limit = (KEPT_RADIUS * radius) ** 2;
  for (let y = top; y < bottom; y++) {
    const dy = y + 0.5 - radius;
    const half = Math.sqrt(Math.max(0, limit - dy * dy));
    const from = Math.max(left, Math.ceil(radius - half - 0.5));
    const to = Math.min(right, Math.floor(radius + half + 0.5));
    let at = 3 * (y * size + from);
    let near = 3 * ((y - top) * width + from - left);
    for (const end = 3 * (y * size + to); at < end; at++, near++) out[at] = 4 * (pixels[at] - blurred[near]) + GRAY;
  }
  return new Uint8Array(out.buffer);
}
