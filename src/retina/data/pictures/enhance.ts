/** Evens out the light of pictures in Node: sharp blurs for Ben Graham's normalization, OpenCV's WebAssembly build computes CLAHE. */
import type OpenCv from '@techstark/opencv-js';
import { requireOptional, sharp } from '../../../engine/node/optional.ts';
import { blurSigma, subtractBlur } from './benGraham.ts';
import { equalizeLightnessBy } from './clahe.ts';
import type { ClaheOptions } from './sample.ts';

/**
 * Ben Graham's normalization; see {@link subtractBlur}.
 *
 * The blur is sharp's in 8 bits, with the kernel cut where it falls below 1 % (3 sigma): within one level of OpenCV's and of
 * SciPy's, which the formula turns into four. It runs in sharp's threads: 10 ms for 512x512, 0.6 s for 3000x3000.
 *
 * @param pixels RGB, `size`x`size`x3. Not changed.
 * @param content the rectangle that is not padding, [left, top, right, bottom] in pixels of `pixels`; default: all.
 * @returns as `pixels`.
 */
export async function normalizeBenGraham(
  pixels: Uint8Array,
  size: number,
  content: readonly [left: number, top: number, right: number, bottom: number] = [0, 0, size, size],
): Promise<Uint8Array> {
  const [left, top, right, bottom] = content;
  const width = right - left;
  const height = bottom - top;
  // A frame so narrow that it fills no whole pixel of the square.
  if (width < 1 || height < 1) return subtractBlur(pixels, new Uint8Array(), size, content);
  // Two pipelines, as a sharp pipeline blurs before it extracts.
  const input = { raw: { width: size, height: size, channels: 3 as const }, limitInputPixels: false };
  const cut = await sharp(pixels, input).extract({ left, top, width, height }).raw().toBuffer();
  const blurred = await sharp(cut, { ...input, raw: { ...input.raw, width, height } })
    .blur({ sigma: blurSigma(size), precision: 'integer', minAmplitude: 0.01 })
    .raw()
    .toBuffer();
  return subtractBlur(pixels, blurred, size, content);
}

/**
 * CLAHE of the lightness; see {@link equalizeLightnessBy}. The first call also loads OpenCV (0.3 s).
 *
 * @throws GmtlError `data/clahe-options` for numbers out of range.
 */
export async function equalizeLightness(pixels: Uint8Array, size: number, options: ClaheOptions): Promise<Uint8Array> {
  const { cv } = await loadOpenCv();
  return equalizeLightnessBy(cv, pixels, size, options);
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
  const cv: typeof OpenCv = requireOptional('@techstark/opencv-js');
  if (cv.Mat === undefined) {
    await new Promise<void>((resume) => {
      cv.onRuntimeInitialized = resume;
    });
  }
  // Its start-up code makes every unhandled rejection abort the process with a message of OpenCV's: take its listeners off again.
  for (const [index, event] of events.entries()) {
    for (const listener of process.listeners(event as 'uncaughtException'))
      if (!before[index].has(listener)) process.removeListener(event, listener);
  }
  return { cv };
}
