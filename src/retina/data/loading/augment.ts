/** Draws augmentations, and normalizes channels. */
import type { KeyedRandom } from '../../random.ts';

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
  /** The hue is turned by up to this part of the full circle either way, 0 … 0.5, as torchvision's ColorJitter. */
  readonly hue: number;
}

/** Mild color changes only: strong ones cost microaneurysm accuracy, whose color is the signal. */
export const DEFAULT_AUGMENT: AugmentOptions = {
  flips: true,
  quarterTurns: true,
  scale: [0.9, 1.25],
  shift: 0.04,
  brightness: 0.1,
  contrast: 0.1,
  saturation: 0.05,
  hue: 0,
};

/** Per channel, for values 0 … 1: `(value − mean) / std`. */
export interface Normalization {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** What ImageNet-pretrained weights expect (torchvision). */
export const IMAGENET_NORMALIZATION: Normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** IDRiD's statistics, [116.5, 56.4, 16.3] and [80.2, 41.2, 13.3] of 255 (published with WFDENet). */
export const IDRID_NORMALIZATION: Normalization = {
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
  /** Turn of the hue, as a part of the full circle. */
  readonly hue: number;
}

export const IDENTITY: Transform = {
  matrix: [1, 0, 0, 1],
  offset: [0, 0],
  brightness: 1,
  contrast: 1,
  saturation: 1,
  hue: 0,
};

/**
 * Draws a transformation. Every number is drawn whether it is used or not, so that switching one option leaves the others'
 * values as they were. New draws belong at the end, so that earlier seeds keep their values.
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
    hue: options.hue * random.range(-1, 1),
  };
}
