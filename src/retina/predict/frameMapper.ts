/** From rows of a predicted square to rows of the frame it was cut from, and to what is kept of them. */
import type { CropBox } from '../data/pictures/fov.ts';
import { GmtlError } from '../../engine/errors.ts';

/** Receives row `y` of the frame from column `left` on: [columns, classes], overwritten after the call. */
export type FrameRow = (y: number, left: number, values: Float32Array) => void;

/**
 * Maps rows of a square prediction, pushed from the top, onto the frame: bilinear, exactly as `mapMaskToFrame` does with the whole map, with
 * one row kept from push to push. Rows and columns of the frame outside the square are not emitted.
 */
export class FrameMapper {
  readonly #box: CropBox;
  readonly #side: number;
  readonly #classes: number;
  readonly #emit: FrameRow;
  readonly #left: number;
  readonly #lower: Int32Array;
  readonly #upper: Int32Array;
  readonly #share: Float32Array;
  readonly #above: Float32Array;
  readonly #blended: Float32Array;
  readonly #line: Float32Array;
  #pushed = 0;
  #next: number;
  readonly #end: number;

  /** @param side rows and columns of the prediction. */
  constructor(box: CropBox, side: number, classes: number, emit: FrameRow) {
    this.#box = box;
    this.#side = side;
    this.#classes = classes;
    this.#emit = emit;
    this.#left = Math.max(0, box.left);
    const columns = Math.max(0, Math.min(box.width, box.left + box.size) - this.#left);
    this.#lower = new Int32Array(columns);
    this.#upper = new Int32Array(columns);
    this.#share = new Float32Array(columns);
    for (let x = 0; x < columns; x++) {
      const position = this.#position(this.#left + x - box.left);
      this.#lower[x] = Math.floor(position) * classes;
      this.#upper[x] = Math.min(side - 1, Math.floor(position) + 1) * classes;
      this.#share[x] = position - Math.floor(position);
    }
    this.#above = new Float32Array(side * classes);
    this.#blended = new Float32Array(side * classes);
    this.#line = new Float32Array(columns * classes);
    this.#next = Math.max(0, box.top);
    this.#end = Math.min(box.height, box.top + box.size);
  }

  /** Position in the prediction of the square's pixel number `offset`. */
  #position(offset: number): number {
    return Math.min(this.#side - 1, Math.max(0, ((offset + 0.5) * this.#side) / this.#box.size - 0.5));
  }

  /**
   * Adds `count` rows of the prediction from `top` on, [count, side, classes].
   * @throws GmtlError `infer/tiles` when they do not continue the rows added before.
   */
  push(top: number, count: number, values: Float32Array): void {
    const length = this.#side * this.#classes;
    if (top !== this.#pushed || values.length !== count * length) {
      throw new GmtlError(
        'infer/tiles',
        `Rows ${top} and on (${values.length} values) do not follow row ${this.#pushed - 1}.`,
      );
    }
    const row = (y: number): Float32Array =>
      y < top ? this.#above : values.subarray((y - top) * length, (y - top + 1) * length);
    for (; this.#next < this.#end; this.#next++) {
      const position = this.#position(this.#next - this.#box.top);
      const lower = Math.floor(position);
      const upper = Math.min(this.#side - 1, lower + 1);
      if (upper >= top + count) break;
      this.#emitRow(row(lower), row(upper), position - lower);
    }
    if (count > 0) this.#above.set(row(top + count - 1));
    this.#pushed += count;
  }

  #emitRow(above: Float32Array, below: Float32Array, share: number): void {
    const classes = this.#classes;
    const blended = this.#blended;
    const line = this.#line;
    for (let at = 0; at < blended.length; at++) blended[at] = above[at] + share * (below[at] - above[at]);
    for (let x = 0, at = 0; x < this.#lower.length; x++) {
      for (let index = 0; index < classes; index++, at++) {
        const near = blended[this.#lower[x] + index];
        line[at] = near + this.#share[x] * (blended[this.#upper[x] + index] - near);
      }
    }
    this.#emit(this.#next, this.#left, line);
  }
}

/** 0/1 masks of a frame by structure, filled row by row: 12 MB per structure for 4288x2848. */
export class MaskPlanes {
  readonly width: number;
  readonly masks: readonly Uint8Array[];
  readonly #thresholds: readonly number[];

  /** @param thresholds by structure: a pixel is set where its probability is at least this. */
  constructor(width: number, height: number, thresholds: readonly number[]) {
    this.width = width;
    this.#thresholds = thresholds;
    this.masks = thresholds.map(() => new Uint8Array(width * height));
  }

  readonly row: FrameRow = (y, left, values) => {
    const classes = this.masks.length;
    for (const [index, mask] of this.masks.entries()) {
      const threshold = this.#thresholds[index];
      let at = y * this.width + left;
      for (let from = index; from < values.length; from += classes) mask[at++] = values[from] >= threshold ? 1 : 0;
    }
  };
}

/** Steps of a stored probability: a multiple of the score histograms' 10,000, so that no pixel changes its bin. */
const LEVELS = 50_000;

/**
 * Probabilities of a frame by structure in 16 bits: 24 MB per structure for 4288x2848, half of what floats would take. All structures are held
 * at once, because they are predicted together. Kept in steps of 1/50,000, rounded down, so that comparisons with thresholds of up to
 * four decimals and score histograms of 10,000 levels give what the floats would.
 */
export class ScorePlanes {
  readonly width: number;
  readonly #planes: readonly Uint16Array[];

  constructor(width: number, height: number, classes: number) {
    this.width = width;
    this.#planes = Array.from({ length: classes }, () => new Uint16Array(width * height));
  }

  get bytes(): number {
    return this.#planes.reduce((sum, plane) => sum + plane.byteLength, 0);
  }

  readonly row: FrameRow = (y, left, values) => {
    const classes = this.#planes.length;
    for (const [index, plane] of this.#planes.entries()) {
      let at = y * this.width + left;
      for (let from = index; from < values.length; from += classes) plane[at++] = Math.floor(values[from] * LEVELS);
    }
  };

  /** One structure's probabilities, into `out` (one number per pixel), each in the middle of its step; 0 stays 0 and 1 stays 1. */
  read(index: number, out: Float32Array): void {
    const plane = this.#planes[index];
    for (let at = 0; at < plane.length; at++) {
      const level = plane[at];
      out[at] = level === 0 ? 0 : level === LEVELS ? 1 : (level + 0.5) / LEVELS;
    }
  }
}
