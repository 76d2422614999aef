import { createRequire } from 'node:module';
import type OpenCv from '@techstark/opencv-js';
import { GmtlError } from '../../../engine/errors.ts';

/** Contrast-limited adaptive histogram equalisation of the lightness, by the convention of OpenCV's `createCLAHE`. */
export interface ClaheOptions {
  /** A tile's histogram is cut at this many times its mean bin, and what was cut is spread over all bins. Above 0. */
  readonly clipLimit: number;
  /** Tiles a side: 8 is a grid of 8x8, whose mappings are interpolated bilinearly. */
  readonly tiles: number;
}

/** OpenCV's grid, and the clip limit that fundus papers use (2 … 4). */
export const DEFAULT_CLAHE: ClaheOptions = { clipLimit: 2, tiles: 8 };

/**
 * Equalises L of CIE L*a*b* (8 bits a channel, as `cvtColor(COLOR_RGB2Lab)` gives) and leaves a and b alone. 512x512 take 8 ms,
 * 3000x3000 0.3 s and 240 MB; the first call also loads OpenCV (0.3 s).
 *
 * @param pixels RGB, `size`x`size`x3. Not changed.
 * @returns as `pixels`.
 * @throws GmtlError `data/clahe-options` for numbers out of range.
 */
export async function equaliseLightness(pixels: Uint8Array, size: number, options: ClaheOptions): Promise<Uint8Array> {
  const { clipLimit, tiles } = options;
  if (!(clipLimit > 0) || !Number.isInteger(tiles) || tiles < 1 || tiles > size) {
    throw new GmtlError(
      'data/clahe-options',
      `CLAHE with clipLimit ${clipLimit} and ${tiles} tiles a side: give a limit above 0 and 1 … ${size} whole tiles ` +
        `(the picture is ${size} pixels wide).`,
    );
  }
  const { cv } = await loadOpenCv();
  // WebAssembly's memory is not collected: everything made here is deleted here.
  const made: { delete(): void }[] = [];
  const own = <T extends { delete(): void }>(object: T): T => {
    made.push(object);
    return object;
  };
  try {
    const picture = own(new cv.Mat(size, size, cv.CV_8UC3));
    picture.data.set(pixels);
    const lab = own(new cv.Mat());
    cv.cvtColor(picture, lab, cv.COLOR_RGB2Lab);
    const channels = own(new cv.MatVector());
    cv.split(lab, channels);
    const lightness = own(channels.get(0));
    const equalised = own(new cv.Mat());
    own(new cv.CLAHE(clipLimit, new cv.Size(tiles, tiles))).apply(lightness, equalised);
    channels.set(0, equalised);
    cv.merge(channels, lab);
    cv.cvtColor(lab, picture, cv.COLOR_Lab2RGB);
    return new Uint8Array(picture.data);
  } finally {
    for (const object of made.reverse()) object.delete();
  }
}

let loading: Promise<{ cv: typeof OpenCv }> | null = null;

/** Loads OpenCV's WebAssembly build once. It arrives within an object, because of its `then`: see below. */
function loadOpenCv(): Promise<{ cv: typeof OpenCv }> {
  loading ??= startOpenCv();
  return loading;
}

async function startOpenCv(): Promise<{ cv: typeof OpenCv }> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => new Set(process.listeners(event as 'uncaughtException')));
  // Not import(): the module has a `then` that calls back with itself, on which a promise of it (Vitest makes one) never settles.
  const cv: typeof OpenCv = createRequire(import.meta.url)('@techstark/opencv-js');
  if (cv.Mat === undefined) {
    await new Promise<void>((resume) => {
      cv.onRuntimeInitialized = resume;
    });
  }
  // Its start-up code makes the whole process's unhandled rejections abort with its own message: that is not its to decide.
  for (const [index, event] of events.entries()) {
    for (const listener of process.listeners(event as 'uncaughtException'))
      if (!before[index].has(listener)) process.removeListener(event, listener);
  }
  return { cv };
}
