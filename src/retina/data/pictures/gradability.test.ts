/** Tier: no adapter. What spoils a drawn retina is named; what does not is left alone. Real photographs: docs/results.md. */
import { beforeAll, describe, expect, it } from 'vitest';
import { sharp } from '../../../engine/node/optional.ts';
import { drawFundus } from '../synth/fundus.ts';
import { DEGRADATIONS, degrade } from './degrade.ts';
import { gradabilityOf } from './gradability.ts';
import { fitLook, LEAST_LOOK_PICTURES, likenessTo } from './likeness.ts';
import type { PictureStatistics } from './pictureStatistics.ts';
import { measureFile } from './preprocess.ts';

const eye = async (key: string, height = 200): Promise<Buffer> => {
  const { rgb, width } = drawFundus(key, height, { retinopathy: 2, edema: 1, softExudates: false });
  return sharp(rgb, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
};

let bytes: Buffer;
let statistics: PictureStatistics;
beforeAll(async () => {
  bytes = await eye('gradability');
  statistics = await measureFile('eye.png', bytes);
});

const faultsOf = async (picture: Buffer): Promise<string[]> => {
  const { reasons } = gradabilityOf(await measureFile('eye.png', picture));
  return [...new Set(reasons.map(({ fault }) => fault))];
};

describe('gradability', () => {
  it('finds nothing wrong with a sharp, whole, well lit retina', () => {
    expect(gradabilityOf(statistics)).toEqual({ gradable: true, reasons: [] });
    expect(statistics.roundness).toBeGreaterThan(0.95);
    expect(statistics.detail.every((value) => value > 0.01)).toBe(true);
  });

  it.each(Object.entries(DEGRADATIONS).filter(([, { isStrong }]) => isStrong))(
    'names the fault of %s',
    async (name, { fault }) => {
      expect(await faultsOf(await degrade(bytes, name))).toContain(fault);
    },
  );

  it('takes a picture without a bright disc as one without a field', () => {
    expect(gradabilityOf(null)).toMatchObject({ gradable: false, reasons: [{ fault: 'field' }] });
  });
});

describe('likeness', () => {
  it('keeps drawn retinas together, and tells other pictures from them by what is farthest off', async () => {
    const drawn: PictureStatistics[] = [];
    for (let index = 0; index < 24; index++) drawn.push(await measureFile('eye.png', await eye(`like/${index}`, 96)));
    const look = fitLook(drawn);
    expect(look?.cases).toBe(24);
    expect(drawn.filter((one) => likenessTo(look!, one).isLike).length).toBeGreaterThanOrEqual(23);
    const blue = await measureFile(
      'blue.png',
      await sharp(bytes)
        .recomb([
          [0, 0, 1],
          [0, 1, 0],
          [1, 0, 0],
        ])
        .png()
        .toBuffer(),
    );
    const unlike = likenessTo(look!, blue);
    expect(unlike.isLike).toBe(false);
    expect(unlike.distance).toBeGreaterThan(1.5);
    expect(unlike.farthest.trait).toMatch(/red|blue/);
    expect(fitLook(drawn.slice(0, LEAST_LOOK_PICTURES - 1))).toBeNull();
  });
});
