/** Renders a sample's picture and masks through a transformation. */
import type { Normalization, Transform } from './augment.ts';
import type { Sample } from '../pictures/sample.ts';

/** Luminance of RGB (ITU-R BT.601), as torchvision's color changes use it. */
const RED = 0.299;
const GREEN = 0.587;
const BLUE = 0.114;

/**
 * Renders a sample's picture through a transformation, normalized: bilinear, averaging several taps where it shrinks, black
 * outside. Color changes follow torchvision (brightness, then contrast about the mean gray, then saturation, then hue), clamped.
 *
 * @param out receives `size`x`size`x3 floats (NHWC) from `start` on.
 */
export function renderImage(
  sample: Sample,
  transform: Transform,
  normalization: Normalization,
  size: number,
  out: Float32Array,
  start: number,
): void {
  const { mean, std } = normalization;
  const scale = std.map((value) => 1 / (255 * value));
  const shift = mean.map((value, channel) => -value / std[channel]);
  const { brightness, contrast, saturation, hue } = transform;
  const recolored = brightness !== 1 || contrast !== 1 || saturation !== 1;
  const walk = sourceWalk(transform, size, sample.size);
  if (walk.identity && !recolored && hue === 0) {
    // Evaluation: nothing moves, so each byte has one value (2 ms instead of 8 for 512x512).
    const { image } = sample;
    const [red, green, blue] = scale.map((factor, channel) =>
      Float32Array.from({ length: 256 }, (_, value) => value * factor + shift[channel]),
    );
    for (let at = 0; at < image.length; at += 3) {
      out[start + at] = red[image[at]];
      out[start + at + 1] = green[image[at + 1]];
      out[start + at + 2] = blue[image[at + 2]];
    }
    return;
  }
  resample(sample, walk, size, out, start);
  const end = start + 3 * size * size;
  if (recolored) recolor(transform, contrast === 1 ? 0 : meanGray(sample.image), out, start, end);
  if (hue !== 0) turnHue(hue, out, start, end);
  const [redScale, greenScale, blueScale] = scale;
  const [redShift, greenShift, blueShift] = shift;
  for (let at = start; at < end; at += 3) {
    out[at] = out[at] * redScale + redShift;
    out[at + 1] = out[at + 1] * greenScale + greenShift;
    out[at + 2] = out[at + 2] * blueScale + blueShift;
  }
}

/** Bilinear values 0 … 255 of every output pixel. */
function resample(sample: Sample, walk: Walk, size: number, out: Float32Array, start: number): void {
  const { image, size: side } = sample;
  const taps = Math.max(1, Math.round(walk.step));
  const share = 1 / (taps * taps);
  const edge = side - 0.5;
  out.fill(0, start, start + 3 * size * size);
  for (let tapY = 0; tapY < taps; tapY++) {
    for (let tapX = 0; tapX < taps; tapX++) {
      const tapU = (tapX + 0.5) / taps;
      const tapV = (tapY + 0.5) / taps;
      let at = start;
      for (let y = 0; y < size; y++) {
        const rowX = walk.xx * tapU + walk.xy * (y + tapV) + walk.x0 - 0.5;
        const rowY = walk.yx * tapU + walk.yy * (y + tapV) + walk.y0 - 0.5;
        for (let x = 0; x < size; x++, at += 3) {
          const sourceX = rowX + walk.xx * x;
          const sourceY = rowY + walk.yx * x;
          if (sourceX <= -0.5 || sourceY <= -0.5 || sourceX >= edge || sourceY >= edge) continue;
          // Truncation is floor here, but for the half pixel left of and above the first center, where it repeats the edge.
          const left = sourceX | 0;
          const top = sourceY | 0;
          const wx = sourceX > left ? sourceX - left : 0;
          const wy = sourceY > top ? sourceY - top : 0;
          const p = 3 * (top * side + left);
          const right = left + 1 < side ? p + 3 : p;
          const below = top + 1 < side ? 3 * side : 0;
          const w11 = wx * wy * share;
          const w01 = wx * share - w11;
          const w10 = wy * share - w11;
          const w00 = share - wx * share - w10;
          const q = p + below;
          const s = right + below;
          out[at] += w00 * image[p] + w01 * image[right] + w10 * image[q] + w11 * image[s];
          out[at + 1] += w00 * image[p + 1] + w01 * image[right + 1] + w10 * image[q + 1] + w11 * image[s + 1];
          out[at + 2] += w00 * image[p + 2] + w01 * image[right + 2] + w10 * image[q + 2] + w11 * image[s + 2];
        }
      }
    }
  }
}

/** Changes the colors of values 0 … 255 in place. `gray` is the mean gray of the picture before. */
function recolor(transform: Transform, gray: number, out: Float32Array, start: number, end: number): void {
  const { brightness, contrast, saturation } = transform;
  const pivot = (1 - contrast) * Math.min(255, brightness * gray);
  for (let at = start; at < end; at += 3) {
    const red = clamp(clamp(brightness * out[at]) * contrast + pivot);
    const green = clamp(clamp(brightness * out[at + 1]) * contrast + pivot);
    const blue = clamp(clamp(brightness * out[at + 2]) * contrast + pivot);
    const light = (1 - saturation) * (RED * red + GREEN * green + BLUE * blue);
    out[at] = clamp(saturation * red + light);
    out[at + 1] = clamp(saturation * green + light);
    out[at + 2] = clamp(saturation * blue + light);
  }
}

/**
 * Turns the hue of colors in place, in HSV as torchvision's `adjust_hue`: the largest and the smallest channel keep their
 * values (V and S), so only the place between them has to be found: `max − (max − min) clamp(min(k, 4 − k), 0, 1)` with
 * k = (n + 6 H) mod 6 and n = 5, 3, 1 for red, green, blue.
 *
 * @param turn part of the full circle, −0.5 … 0.5.
 */
function turnHue(turn: number, out: Float32Array, start: number, end: number): void {
  const added = 6 * turn;
  for (let at = start; at < end; at += 3) {
    const red = out[at];
    const green = out[at + 1];
    const blue = out[at + 2];
    const high = red > green ? (red > blue ? red : blue) : green > blue ? green : blue;
    const low = red < green ? (red < blue ? red : blue) : green < blue ? green : blue;
    const span = high - low;
    if (span === 0) continue;
    let sextant = (red - green) / span + 4;
    if (high === red) sextant = (green - blue) / span;
    else if (high === green) sextant = (blue - red) / span + 2;
    // −4 … 8, which one step brings to 0 … 6: the remainder operator takes as long as all the rest.
    let hue = sextant + added;
    if (hue < 0) hue += 6;
    else if (hue >= 6) hue -= 6;
    out[at] = high - span * hueShare(hue < 1 ? hue + 5 : hue - 1);
    out[at + 1] = high - span * hueShare(hue < 3 ? hue + 3 : hue - 3);
    out[at + 2] = high - span * hueShare(hue < 5 ? hue + 1 : hue - 5);
  }
}

function hueShare(k: number): number {
  const share = k < 2 ? k : 4 - k;
  return share < 0 ? 0 : share > 1 ? 1 : share;
}

/**
 * Renders a sample's masks through the same transformation: the nearest pixel, or, where it shrinks, foreground if any of the
 * pixels under the output pixel is (small lesions must not fall between the taps).
 *
 * @param out receives `size`x`size`x`classes` zeros and ones (NHWC) from `start` on; it must hold zeros there.
 */
export function renderMasks(
  sample: Sample,
  transform: Transform,
  size: number,
  classes: number,
  out: Float32Array,
  start: number,
): void {
  const { maskBits, size: side } = sample;
  if (maskBits === null) return;
  const walk = sourceWalk(transform, size, side);
  const taps = Math.max(1, Math.ceil(walk.step - 1e-6));
  for (let tapY = 0; tapY < taps; tapY++) {
    for (let tapX = 0; tapX < taps; tapX++) {
      const tapU = (tapX + 0.5) / taps;
      const tapV = (tapY + 0.5) / taps;
      for (let y = 0; y < size; y++) {
        const rowX = walk.xx * tapU + walk.xy * (y + tapV) + walk.x0;
        const rowY = walk.yx * tapU + walk.yy * (y + tapV) + walk.y0;
        for (let x = 0; x < size; x++) {
          const sourceX = rowX + walk.xx * x;
          const sourceY = rowY + walk.yx * x;
          if (sourceX < 0 || sourceY < 0 || sourceX >= side || sourceY >= side) continue;
          const bits = maskBits[(sourceY | 0) * side + (sourceX | 0)];
          if (bits === 0) continue;
          const at = start + classes * (y * size + x);
          for (let index = 0; index < classes; index++) if ((bits >> index) & 1) out[at + index] = 1;
        }
      }
    }
  }
}

interface Walk {
  readonly xx: number;
  readonly xy: number;
  readonly x0: number;
  readonly yx: number;
  readonly yy: number;
  readonly y0: number;
  /** Input pixels spanned by an output pixel. */
  readonly step: number;
  /** Every output pixel is the input pixel of the same place. */
  readonly identity: boolean;
}

/** The affine map from output pixels to input pixels. */
function sourceWalk(transform: Transform, size: number, side: number): Walk {
  const ratio = side / size;
  const [a, b, c, d] = transform.matrix;
  const [dx, dy] = transform.offset;
  return {
    xx: ratio * a,
    xy: ratio * b,
    x0: side * (0.5 + dx - 0.5 * (a + b)),
    yx: ratio * c,
    yy: ratio * d,
    y0: side * (0.5 + dy - 0.5 * (c + d)),
    step: ratio * Math.hypot(a, c),
    identity: side === size && a === 1 && b === 0 && c === 0 && d === 1 && dx === 0 && dy === 0,
  };
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

function meanGray(image: Uint8Array): number {
  let red = 0;
  let green = 0;
  let blue = 0;
  for (let at = 0; at < image.length; at += 3) {
    red += image[at];
    green += image[at + 1];
    blue += image[at + 2];
  }
  return (RED * red + GREEN * green + BLUE * blue) / (image.length / 3);
}
