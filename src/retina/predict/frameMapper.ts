/** From rows of a predicted square to rows of the frame it was cut from, and to what is kept of them. */
import type { CropBox } from '../data/pictures/fov.ts';
import { GmtlError } from '../../engine/errors.ts';

/** What takes a mapped prediction, one class at a time on each row of the frame. */
export interface FrameRows {
  /**
   * By class: what the values of a stretch of a row have to reach somewhere for it to be passed on. Default: all of each row is.
   */
  readonly least?: readonly number[];
  /** Takes class `index` on row `y` of the frame: the first `count` of `values`, from column `left` on. Overwritten after the call. */
  row(index: number, y: number, left: number, values: Float32Array, count: number): void;
}

/** A row of the prediction, class by class, and, by class, its first and last column (-1: none) that reach `least`. */
interface PlanarRow {
  readonly values: Float32Array;
  readonly first: Int32Array;
  readonly last: Int32Array;
}

/**
 * Maps rows of a square prediction, pushed from the top, onto the frame: bilinear, exactly as `mapMaskToFrame` does with the whole map, with
 * one row kept from push to push. Rows and columns of the frame outside the square are not passed on. What lies between values is at most the
 * greatest of them, also when rounded: most of a picture has no lesion, and takes no time.
 */
export class FrameMapper {
  readonly #box: CropBox;
  readonly #side: number;
  readonly #classes: number;
  readonly #rows: FrameRows;
  readonly #left: number;
  readonly #lower: Int32Array;
  readonly #upper: Int32Array;
  readonly #share: Float32Array;
  /** By column of the prediction: the first column of the square that it reaches, and the one after the last. */
  readonly #begin: Int32Array;
  readonly #end: Int32Array;
  readonly #blended: Float32Array;
  readonly #line: Float32Array;
  #above: PlanarRow;
  #below: PlanarRow;
  #pushed = 0;
  #next: number;
  readonly #bottom: number;

  /** @param side rows and columns of the prediction. */
  constructor(box: CropBox, side: number, classes: number, rows: FrameRows) {
    this.#box = box;
    this.#side = side;
    this.#classes = classes;
    this.#rows = rows;
    this.#left = Math.max(0, box.left);
    const columns = Math.max(0, Math.min(box.width, box.left + box.size) - this.#left);
    this.#lower = new Int32Array(columns);
    this.#upper = new Int32Array(columns);
    this.#share = new Float32Array(columns);
    this.#begin = new Int32Array(side).fill(columns);
    this.#end = new Int32Array(side);
    for (let x = 0; x < columns; x++) {
      const position = this.#position(this.#left + x - box.left);
      this.#lower[x] = Math.floor(position);
      this.#upper[x] = Math.min(side - 1, Math.floor(position) + 1);
      this.#share[x] = position - Math.floor(position);
      for (const column of [this.#lower[x], this.#upper[x]]) {
        this.#begin[column] = Math.min(this.#begin[column], x);
        this.#end[column] = x + 1;
      }
    }
    // A prediction that is shrunk has columns that no pixel is made of; a stretch from one of them on begins with the next that is.
    for (let x = side - 2; x >= 0; x--) this.#begin[x] = Math.min(this.#begin[x], this.#begin[x + 1]);
    for (let x = 1; x < side; x++) this.#end[x] = Math.max(this.#end[x], this.#end[x - 1]);
    const planarRow = (): PlanarRow => ({
      values: new Float32Array(side * classes),
      first: new Int32Array(classes),
      last: new Int32Array(classes),
    });
    this.#above = planarRow();
    this.#below = planarRow();
    this.#blended = new Float32Array(side);
    this.#line = new Float32Array(columns);
    this.#next = Math.max(0, box.top);
    this.#bottom = Math.min(box.height, box.top + box.size);
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
    for (let row = 0; row < count; row++) {
      [this.#above, this.#below] = [this.#below, this.#above];
      this.#take(values, row * length);
      this.#emitUpTo(this.#pushed++);
    }
  }

  /** Takes the prediction's next row, which begins at `start` of the values. */
  #take(values: Float32Array, start: number): void {
    const [side, classes] = [this.#side, this.#classes];
    const row = this.#below;
    for (let index = 0; index < classes; index++) {
      const least = this.#rows.least?.[index] ?? Number.NEGATIVE_INFINITY;
      let [first, last] = [side, -1];
      for (let x = 0, from = start + index, to = index * side; x < side; x++, from += classes, to++) {
        const value = values[from];
        row.values[to] = value;
        if (value < least) continue;
        if (last < 0) first = x;
        last = x;
      }
      row.first[index] = first;
      row.last[index] = last;
    }
  }

  /** Passes on the rows of the frame that lie above `current`, the prediction's last row so far, or on it. */
  #emitUpTo(current: number): void {
    for (; this.#next < this.#bottom; this.#next++) {
      const position = this.#position(this.#next - this.#box.top);
      const lower = Math.floor(position);
      if (Math.min(this.#side - 1, lower + 1) > current) return;
      this.#emitRow(lower < current ? this.#above : this.#below, this.#below, position - lower);
    }
  }

  #emitRow(above: PlanarRow, below: PlanarRow, share: number): void {
    const [lower, upper, shares, blended, line] = [this.#lower, this.#upper, this.#share, this.#blended, this.#line];
    for (let index = 0; index < this.#classes; index++) {
      const first = Math.min(above.first[index], below.first[index]);
      const last = Math.max(above.last[index], below.last[index]);
      if (last < first) continue;
      const [begin, end] = [this.#begin[first], this.#end[last]];
      if (end <= begin) continue;
      const start = index * this.#side;
      const [over, under] = [above.values, below.values];
      for (let x = lower[begin]; x <= upper[end - 1]; x++) {
        const near = over[start + x];
        blended[x] = near + share * (under[start + x] - near);
      }
      for (let x = begin; x < end; x++) {
        const near = blended[lower[x]];
        line[x - begin] = near + shares[x] * (blended[upper[x]] - near);
      }
      this.#rows.row(index, this.#next, this.#left + begin, line, end - begin);
    }
  }
}

/** 0/1 masks of a frame by structure, filled row by row: 12 MB per structure for 4288x2848. */
export class MaskPlanes implements FrameRows {
  readonly width: number;
  readonly masks: readonly Uint8Array[];
  readonly least: readonly number[];

  /** @param thresholds by structure: a pixel is set where its probability is at least this. */
  constructor(width: number, height: number, thresholds: readonly number[]) {
    this.width = width;
    this.least = thresholds;
    this.masks = thresholds.map(() => new Uint8Array(width * height));
  }

  row(index: number, y: number, left: number, values: Float32Array, count: number): void {
    const mask = this.masks[index];
    const threshold = this.least[index];
    for (let x = 0, at = y * this.width + left; x < count; x++, at++) mask[at] = values[x] >= threshold ? 1 : 0;
  }
}

/** Steps of a stored probability: a multiple of the score histograms' 10,000, so that no pixel changes its bin. */
const LEVELS = 50_000;

/**
 * Probabilities of a frame by structure in 16 bits: 24 MB per structure for 4288x2848, half of what floats would take. All structures are held
 * at once, because they are predicted together. Kept in steps of 1/50,000, rounded down, so that comparisons with thresholds of up to
 * four decimals and score histograms of 10,000 levels give what the floats would.
 */
export class ScorePlanes implements FrameRows {
  readonly width: number;
  readonly #planes: readonly Uint16Array[];

  constructor(width: number, height: number, classes: number) {
    this.width = width;
    this.#planes = Array.from({ length: classes }, () => new Uint16Array(width * height));
  }

  get bytes(): number {
    return this.#planes.reduce((sum, plane) => sum + plane.byteLength, 0);
  }

  row(index: number, y: number, left: number, values: Float32Array, count: number): void {
    const plane = this.#planes[index];
    for (let x = 0, at = y * this.width + left; x < count; x++, at++) plane[at] = Math.floor(values[x] * LEVELS);
  }

  /** One structure's probabilities, into `out` (one number per pixel), each in the middle of its step; 0 stays 0 and 1 stays 1. */
  read(index: number, out: Float32Array): void {
    const plane = this.#planes[index];
    for (let at = 0; at < plane.length; at++) {
      const level = plane[at];
      out[at] = level === 0 ? 0 : level === LEVELS ? 1 : (level + 0.5) / LEVELS;
    }
  }
}
