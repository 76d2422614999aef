/** How a picture is prepared for the network, and what comes of it. */
import type { CropBox } from './fov.ts';
import type { MaskResize } from './geometry.ts';

/** Contrast-limited adaptive histogram equalization of the lightness, by the convention of OpenCV's `createCLAHE`. */
export interface ClaheOptions {
  /** A tile's histogram is cut at this many times its mean bin, and what was cut is spread over all bins. Above 0. */
  readonly clipLimit: number;
  /** Tiles per side: 8 is a grid of 8x8, whose mappings are interpolated bilinearly. */
  readonly tiles: number;
}

export interface PreprocessOptions {
  /** Side of the square the picture is resized to. */
  readonly size: number;
  /** `fov`: crop to the bright disc; `frame`: keep the whole frame. Both are padded to a square, the aspect ratio stays. */
  readonly crop: 'fov' | 'frame';
  readonly maskResize: MaskResize;
  /** Equalizes the lightness locally; null: not. */
  readonly clahe: ClaheOptions | null;
  /** Ben Graham's normalization, after `clahe` where both are set, so that what it cuts off stays exactly gray. */
  readonly benGraham: boolean;
}

export const DEFAULT_PREPROCESS: PreprocessOptions = {
  size: 512,
  crop: 'fov',
  maskResize: 'area-max',
  clahe: null,
  benGraham: false,
};

/** A picture (and its masks) as the network's size, still in bytes. */
export interface Sample {
  readonly size: number;
  /** RGB, `size`x`size`x3. */
  readonly image: Uint8Array;
  /** `size`x`size`; bit k is the k-th structure of `STRUCTURES`. null on pictures without masks. */
  readonly maskBits: Uint8Array | null;
  readonly box: CropBox;
}
