import type { Sample } from './preprocess.ts';
import type { KeyedRandom } from './random.ts';

export interface AugmentOptions {
  /** Mirror left-right and top-bottom, each with probability 1/2. */
  readonly flips: boolean;
  /** Turn by 0, 90, 180 or 270 degrees. With the flips: the eight symmetries of the square. */
  readonly quarterTurns: boolean;
  /**
   * Zoom drawn log-uniformly from [low, high]; above 1 crops, below 1 shrinks. To take the pixels of a zoom from the original
   * rather than enlarge, preprocess at a larger size than the network's (`storeSize` of the loader).
   */
  readonly scale: readonly [number, number];
  /** Largest shift of the view, as a share of the side, on top of what the zoom leaves free. */
  readonly shift: number;
  /** Brightness, contrast and saturation are multiplied by a number from [1 − x, 1 + x], as torchvision's ColorJitter. */
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
}

/** Mild colour changes only: strong ones cost microaneurysm accuracy, whose colour is the signal. */
export const DEFAULT_AUGMENT: AugmentOptions = {
  flips: true,
  quarterTurns: true,
  scale: [0.9, 1.25],
  shift: 0.04,
  brightness: 0.1,
  contrast: 0.1,
  saturation: 0.05,
};

/** Per channel, for values 0 … 1: `(value − mean) / std`. */
export interface Normalisation {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** What ImageNet-pretrained weights expect (torchvision). */
export const IMAGENET_NORMALISATION: Normalisation = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** IDRiD's own statistics, [116.5, 56.4, 16.3] and [80.2, 41.2, 13.3] of 255 (published with WFDENet). */
export const IDRID_NORMALISATION: Normalisation = {
  mean: [116.5 / 255, 56.4 / 255, 16.3 / 255],
  std: [80.2 / 255, 41.2 / 255, 13.3 / 255],
};

/** A drawn transformation. Output position (u, v), −1/2 … 1/2, shows input position `matrix · (u, v) + offset`. */
export interface Transform {
  readonly matrix: readonly [number, number, number, number];
  readonly offset: readonly [number, number];
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
}

export const IDENTITY: Transform = { matrix: [1, 0, 0, 1], offset: [0, 0], brightness: 1, contrast: 1, saturation: 1 };

/**
 * Draws a transformation. Every number is drawn whether it is used or not, so that switching one option leaves the others'
 * values as they were.
 */
export function drawTransform(random: KeyedRandom, options: AugmentOptions): Transform {
  const flipX = random.chance(0.5) && options.flips ? -1 : 1;
  const flipY = random.chance(0.5) && options.flips ? -1 : 1;
  const turns = random.integer(4) * (options.quarterTurns ? 1 : 0);
  const [low, high] = options.scale;
  const zoom = low * (high / low) ** random.uniform();
  const free = Math.max(0, 0.5 - 0.5 / zoom) + options.shift;
  const offset: [number, number] = [free * random.range(-1, 1), free * random.range(-1, 1)];
  const cosine = [1, 0, -1, 0][turns];
  const sine = [0, 1, 0, -1][turns];
  return {
    matrix: [(cosine * flipX) / zoom, (-sine * flipY) / zoom, (sine * flipX) / zoom, (cosine * flipY) / zoom],
    offset,
    brightness: 1 + options.brightness * random.range(-1, 1),
    contrast: 1 + options.contrast * random.range(-1, 1),
    saturation: 1 + options.saturation * random.range(-1, 1),
  };
}

const WEIGHTS = [0.299, 0.587, 0.114] as const;

/**
 * Renders a sample's picture through a transformation, normalised: bilinear, averaging several taps where it shrinks, black
 * outside. Colour changes follow torchvision (brightness, then contrast about the mean grey, then saturation), clamped.
 *
 * @param out receives `size`x`size`x3 floats (NHWC) from `start` on.
 */
export function renderImage(
  sample: Sample,
  transform: Transform,
  normalisation: Normalisation,
  size: number,
  out: Float32Array,
  start: number,
): void {
  const { image, size: side } = sample;
  const { brightness, contrast, saturation } = transform;
  const grey = contrast === 1 ? 0 : Math.min(255, brightness * meanGrey(image));
  const scale = normalisation.std.map((std) => 1 / (255 * std));
  const shift = normalisation.mean.map((mean, channel) => -mean / normalisation.std[channel]);
  const plain = brightness === 1 && contrast === 1 && saturation === 1;
  const walk = sourceWalk(transform, size, side);
  const taps = Math.max(1, Math.round(walk.step));
  const share = 1 / (taps * taps);
  let at = start;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++, at += 3) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let tap = 0; tap < taps * taps; tap++) {
        const u = x + ((tap % taps) + 0.5) / taps;
        const v = y + (Math.floor(tap / taps) + 0.5) / taps;
        const sourceX = walk.xx * u + walk.xy * v + walk.x0 - 0.5;
        const sourceY = walk.yx * u + walk.yy * v + walk.y0 - 0.5;
        if (sourceX <= -0.5 || sourceY <= -0.5 || sourceX >= side - 0.5 || sourceY >= side - 0.5) continue;
        const left = Math.max(0, Math.floor(sourceX));
        const top = Math.max(0, Math.floor(sourceY));
        const right = left + 1 < side ? 3 : 0;
        const down = top + 1 < side ? 3 * side : 0;
        const wx = Math.max(0, sourceX - left);
        const wy = Math.max(0, sourceY - top);
        const w00 = (1 - wx) * (1 - wy);
        const w01 = wx * (1 - wy);
        const w10 = (1 - wx) * wy;
        const w11 = wx * wy;
        const p = 3 * (top * side + left);
        red += w00 * image[p] + w01 * image[p + right] + w10 * image[p + down] + w11 * image[p + right + down];
        green +=
          w00 * image[p + 1] +
          w01 * image[p + 1 + right] +
          w10 * image[p + 1 + down] +
          w11 * image[p + 1 + right + down];
        blue +=
          w00 * image[p + 2] +
          w01 * image[p + 2 + right] +
          w10 * image[p + 2 + down] +
          w11 * image[p + 2 + right + down];
      }
      red *= share;
      green *= share;
      blue *= share;
      if (!plain) {
        red = clamp(clamp(brightness * red) * contrast + grey * (1 - contrast));
        green = clamp(clamp(brightness * green) * contrast + grey * (1 - contrast));
        blue = clamp(clamp(brightness * blue) * contrast + grey * (1 - contrast));
        const light = (1 - saturation) * (WEIGHTS[0] * red + WEIGHTS[1] * green + WEIGHTS[2] * blue);
        red = clamp(saturation * red + light);
        green = clamp(saturation * green + light);
        blue = clamp(saturation * blue + light);
      }
      out[at] = red * scale[0] + shift[0];
      out[at + 1] = green * scale[1] + shift[1];
      out[at + 2] = blue * scale[2] + shift[2];
    }
  }
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
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      let bits = 0;
      for (let tap = 0; tap < taps * taps; tap++) {
        const u = x + ((tap % taps) + 0.5) / taps;
        const v = y + (Math.floor(tap / taps) + 0.5) / taps;
        const sourceX = Math.floor(walk.xx * u + walk.xy * v + walk.x0);
        const sourceY = Math.floor(walk.yx * u + walk.yy * v + walk.y0);
        if (sourceX >= 0 && sourceY >= 0 && sourceX < side && sourceY < side)
          bits |= maskBits[sourceY * side + sourceX];
      }
      if (bits === 0) continue;
      const at = start + classes * (y * size + x);
      for (let index = 0; index < classes; index++) if ((bits >> index) & 1) out[at + index] = 1;
    }
  }
}

/** The affine map from output pixels to input pixels, and how many input pixels an output pixel spans. */
function sourceWalk(transform: Transform, size: number, side: number) {
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
  };
}

function clamp(value: number): number {
  return Math.min(255, Math.max(0, value));
}

function meanGrey(image: Uint8Array): number {
  let red = 0;
  let green = 0;
  let blue = 0;
  for (let at = 0; at < image.length; at += 3) {
    red += image[at];
    green += image[at + 1];
    blue += image[at + 2];
  }
  return (WEIGHTS[0] * red + WEIGHTS[1] * green + WEIGHTS[2] * blue) / (image.length / 3);
}
