/** Spoils photographs in known ways, so that judgments of their quality can be measured. */
import type { Sharp } from 'sharp';
import { sharp } from '../../../engine/node/optional.ts';
import { GmtlError } from '../../../engine/errors.ts';
import { type Fault, gradabilityOf } from './gradability.ts';
import { whereFieldIsSeen } from './pictureStatistics.ts';
import { measureFile } from './preprocess.ts';

/** What is done to a picture of a retina that is `width` by `height` pixels. */
interface Degradation {
  readonly fault: Fault;
  /** Strong ones must be found; the others tell where the judgment begins. */
  readonly isStrong: boolean;
  readonly what: string;
  readonly apply: (picture: Sharp, width: number, height: number) => Sharp;
}

const blurred = (share: number, isStrong: boolean): Degradation => ({
  fault: 'focus',
  isStrong,
  what: `Gaussian blur, σ ${(100 * share).toFixed(1)} % of the longer side`,
  apply: (picture, width, height) => picture.blur(Math.max(0.4, share * Math.max(width, height))),
});

const lit = (factor: number, isStrong: boolean): Degradation => ({
  fault: 'exposure',
  isStrong,
  what: `all values times ${factor}`,
  apply: (picture) => picture.linear(factor, 0),
});

/** [left, top, width, height] as shares of the picture. */
const cut = (what: string, [left, top, wide, high]: readonly number[]): Degradation => ({
  fault: 'field',
  isStrong: true,
  what,
  apply: (picture, width, height) =>
    picture.extract({
      left: Math.round(left * width),
      top: Math.round(top * height),
      width: Math.round(wide * width),
      height: Math.round(high * height),
    }),
});

export const DEGRADATIONS: Readonly<Record<string, Degradation>> = {
  'slightly blurred': blurred(0.005, false),
  blurred: blurred(0.01, true),
  'strongly blurred': blurred(0.02, true),
  dim: lit(0.5, false),
  dark: lit(0.25, true),
  'very dark': lit(0.15, true),
  bright: lit(2, false),
  overexposed: lit(3, true),
  'strongly overexposed': lit(4, true),
  'left half': cut('the left half', [0, 0, 0.5, 1]),
  quarter: cut('the upper right quarter', [0.5, 0, 0.5, 0.5]),
  center: cut('the middle 40 % of width and height', [0.3, 0.3, 0.4, 0.4]),
  strip: cut('the middle 40 % of the height', [0, 0.3, 1, 0.4]),
  small: {
    fault: 'size',
    isStrong: true,
    what: 'shrunk to 96 pixels',
    apply: (picture, width, height) => picture.resize(Math.round((96 * width) / Math.max(width, height))),
  },
};

/** A spoiled copy as a PNG. @throws GmtlError `data/degradation` for an unknown name. */
export async function degrade(bytes: Buffer, name: string): Promise<Buffer> {
  const degradation = DEGRADATIONS[name];
  if (degradation === undefined) {
    throw new GmtlError(
      'data/degradation',
      `no degradation '${name}': choose of ${Object.keys(DEGRADATIONS).join(', ')}`,
    );
  }
  const picture = sharp(bytes).removeAlpha();
  const { width, height } = await picture.metadata();
  return degradation.apply(picture, width, height).png({ compressionLevel: 1 }).toBuffer();
}

/** How many copies were judged not gradable, and for the right reason. */
export interface Caught {
  readonly pictures: number;
  readonly ungradable: number;
  readonly rightFault: number;
}

/** Judges originals (`original`) and spoiled copies of pictures. @param spoiled names of {@link DEGRADATIONS}. @param each called after each picture. */
export async function measureGradability(
  pictures: readonly { readonly path: string; readonly bytes: Buffer }[],
  spoiled: readonly string[],
  each?: (done: number) => void,
): Promise<Record<string, Caught>> {
  const caught: Record<string, { pictures: number; ungradable: number; rightFault: number }> = {};
  for (const [index, { path, bytes }] of pictures.entries()) {
    for (const name of ['original', ...spoiled]) {
      const copy = name === 'original' ? bytes : await degrade(bytes, name);
      const statistics = await whereFieldIsSeen(measureFile(path, copy));
      const { gradable, reasons } = gradabilityOf(statistics);
      caught[name] ??= { pictures: 0, ungradable: 0, rightFault: 0 };
      caught[name].pictures++;
      if (!gradable) caught[name].ungradable++;
      if (reasons.some(({ fault }) => fault === DEGRADATIONS[name]?.fault)) caught[name].rightFault++;
    }
    each?.(index + 1);
  }
  return caught;
}
