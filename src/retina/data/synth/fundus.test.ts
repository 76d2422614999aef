/** Tier: no adapter. Drawn retinas and their masks. */
import { beforeAll, describe, expect, it } from 'vitest';
import { STRUCTURES, type Structure } from '../../domain.ts';
import { distance, drawAnatomy } from './anatomy.ts';
import { drawFundus, type Fundus } from './fundus.ts';
import { gradeFindings, type Wanted } from './labels.ts';
import { planLesions, quadrant } from './lesions.ts';
import { paintFundus, rasterLesions } from './paint.ts';
import { SeededRandom } from './random.ts';
import { VesselMap } from './raster.ts';
import { growVessels } from './vessels.ts';

const wantedCases: Wanted[] = [
  { retinopathy: 0, edema: 0, softExudates: false },
  { retinopathy: 1, edema: 0, softExudates: false },
  { retinopathy: 2, edema: 0, softExudates: false },
  { retinopathy: 2, edema: 1, softExudates: false },
  { retinopathy: 2, edema: 2, softExudates: false },
  { retinopathy: 3, edema: 0, softExudates: false },
  { retinopathy: 3, edema: 1, softExudates: true },
  { retinopathy: 3, edema: 2, softExudates: true },
  { retinopathy: 4, edema: 0, softExudates: false },
  { retinopathy: 4, edema: 2, softExudates: true },
];
const height = 160;

/** Centers of the 8-connected components of a mask. */
function components(mask: Uint8Array, width: number): { x: number; y: number }[] {
  const left = Uint8Array.from(mask);
  const centers: { x: number; y: number }[] = [];
  for (let start = 0; start < left.length; start++) {
    if (left[start] === 0) continue;
    left[start] = 0;
    const stack = [start];
    let [sumX, sumY, size] = [0, 0, 0];
    while (stack.length > 0) {
      const at = stack.pop()!;
      sumX += at % width;
      sumY += Math.floor(at / width);
      size++;
      for (const step of [-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1]) {
        if (left[at + step] === 1) {
          left[at + step] = 0;
          stack.push(at + step);
        }
      }
    }
    centers.push({ x: sumX / size, y: sumY / size });
  }
  return centers;
}

/** Pixels whose square neighborhood of the given reach meets the mask. */
function dilate(mask: Uint8Array, width: number, reach: number): Uint8Array {
  const grown = new Uint8Array(mask.length);
  const rows = mask.length / width;
  for (let at = 0; at < mask.length; at++) {
    if (mask[at] === 0) continue;
    const x = at % width;
    const y = Math.floor(at / width);
    for (let v = Math.max(0, y - reach); v <= Math.min(rows - 1, y + reach); v++) {
      grown.fill(1, v * width + Math.max(0, x - reach), v * width + Math.min(width - 1, x + reach) + 1);
    }
  }
  return grown;
}

describe('drawFundus', () => {
  let pictures: Fundus[];
  beforeAll(() => {
    pictures = wantedCases.map((wanted, i) => drawFundus(`test/${i}`, height, wanted));
  });

  it('repeats byte for byte with the same key and differs with another', () => {
    const again = drawFundus('test/7', height, wantedCases[7]);
    expect(Buffer.compare(again.rgb, pictures[7].rgb)).toBe(0);
    for (const kind of STRUCTURES) expect(Buffer.compare(again.masks[kind], pictures[7].masks[kind])).toBe(0);
    expect(Buffer.compare(drawFundus('test/8', height, wantedCases[7]).rgb, again.rgb)).not.toBe(0);
  });

  it('has the grades that were asked for', () => {
    expect(pictures.map(({ grades }) => grades)).toEqual(
      wantedCases.map(({ retinopathy, edema }) => ({ retinopathy, edema })),
    );
  });

  it('has grades that follow from its masks (and from the new vessels, which have none)', () => {
    for (const { masks, width, anatomy, plan, grades } of pictures) {
      const hemorrhages: [number, number, number, number] = [0, 0, 0, 0];
      for (const center of components(masks.HE, width)) hemorrhages[quadrant(anatomy, center)]++;
      let nearest = Number.POSITIVE_INFINITY;
      for (let at = 0; at < masks.EX.length; at++) {
        if (masks.EX[at] === 0) continue;
        nearest = Math.min(nearest, distance({ x: at % width, y: Math.floor(at / width) }, anatomy.fovea));
      }
      const findings = {
        microaneurysms: components(masks.MA, width).length,
        hemorrhages,
        softExudates: components(masks.SE, width).length,
        neovascularTufts: plan.tufts.length,
        exudateDistance: Number.isFinite(nearest) ? nearest / anatomy.discDiameter : null,
      };
      expect(gradeFindings(findings)).toEqual(grades);
    }
  });

  it('keeps the mask kinds apart and the lesions inside the field', () => {
    for (const { masks, width, anatomy } of pictures) {
      let overlapping = 0;
      let outside = 0;
      for (let at = 0; at < masks.OD.length; at++) {
        const kinds = masks.MA[at] + masks.HE[at] + masks.EX[at] + masks.SE[at] + masks.OD[at];
        if (kinds > 1) overlapping++;
        const point = { x: at % width, y: Math.floor(at / width) };
        if (kinds > 0 && distance(point, anatomy.field) > anatomy.field.radius) outside++;
      }
      expect({ overlapping, outside }).toEqual({ overlapping: 0, outside: 0 });
    }
  });

  it('paints red lesions darker and pale ones lighter than what surrounds them', () => {
    const sums: Record<Structure, [number, number, number, number]> = {
      MA: [0, 0, 0, 0],
      HE: [0, 0, 0, 0],
      EX: [0, 0, 0, 0],
      SE: [0, 0, 0, 0],
      OD: [0, 0, 0, 0],
    };
    for (const { masks, rgb, width } of pictures) {
      const any = new Uint8Array(masks.OD.length);
      for (const kind of STRUCTURES) for (let at = 0; at < any.length; at++) any[at] |= masks[kind][at];
      const edge = dilate(any, width, 2);
      for (const kind of STRUCTURES) {
        const near = dilate(masks[kind], width, 5);
        for (let at = 0; at < any.length; at++) {
          const green = rgb[3 * at + 1];
          if (masks[kind][at] === 1) {
            sums[kind][0] += green;
            sums[kind][1]++;
          } else if (near[at] === 1 && edge[at] === 0) {
            sums[kind][2] += green;
            sums[kind][3]++;
          }
        }
      }
    }
    const ratio = (kind: Structure): number => sums[kind][0] / sums[kind][1] / (sums[kind][2] / sums[kind][3]);
    expect(ratio('MA')).toBeLessThan(0.8);
    expect(ratio('HE')).toBeLessThan(0.7);
    expect(ratio('EX')).toBeGreaterThan(1.5);
    expect(ratio('SE')).toBeGreaterThan(1.4);
    expect(ratio('OD')).toBeGreaterThan(1.4);
  });

  it('looks like a photograph: black outside a round field that reaches the top and bottom rows', () => {
    for (const { rgb, width, anatomy } of pictures) {
      const red = (x: number, y: number): number => rgb[3 * (Math.round(y) * width + Math.round(x))];
      for (const y of [0, height - 1]) {
        expect(red(0, y)).toBeLessThan(20);
        expect(red(width - 1, y)).toBeLessThan(20);
        expect(red(anatomy.field.x, y)).toBeGreaterThan(40);
      }
      const apart = distance(anatomy.disc, anatomy.fovea) / anatomy.discDiameter;
      expect(apart).toBeGreaterThan(2);
      expect(apart).toBeLessThan(2.9);
      expect(anatomy.disc.x > anatomy.fovea.x).toBe(anatomy.side === 'right');
    }
  });

  it('draws left and right eyes', () => {
    const sides = Array.from({ length: 12 }, (_, i) => drawAnatomy(new SeededRandom(`eye/${i}`), 64).side);
    expect(new Set(sides)).toEqual(new Set(['left', 'right']));
  });

  it.each([64, 96])('finds room for the severe grades in frames %i pixels high', (small) => {
    for (let seed = 0; seed < 4; seed++) {
      for (const wanted of [wantedCases[5], wantedCases[7], wantedCases[9]]) {
        const { grades } = drawFundus(`small/${seed}`, small, wanted);
        expect(grades).toEqual({ retinopathy: wanted.retinopathy, edema: wanted.edema });
      }
    }
  });
});

describe('masks', () => {
  it('are where the painted lesions are: with and without lesions, the picture differs there and nowhere else', () => {
    const anatomy = drawAnatomy(new SeededRandom('difference'), height);
    const vessels = growVessels(anatomy, new SeededRandom('difference'));
    const walls = new VesselMap(anatomy.width, height);
    for (const { points } of vessels) walls.draw(points, 4);
    const plan = planLesions(anatomy, walls, new SeededRandom('difference'), wantedCases[7]);
    const none = { lesions: [], tufts: [] };
    const sick = paintFundus(anatomy, vessels, plan, rasterLesions(anatomy, plan), new SeededRandom('paint'));
    const well = paintFundus(anatomy, vessels, none, rasterLesions(anatomy, none), new SeededRandom('paint'));
    const { MA, HE, EX, SE } = sick.masks;
    const crisp = MA.map((bit, at) => bit | HE[at] | EX[at]);
    // Beyond the half-covered pixels there are the antialiased edge and the blur; a soft exudate fades over its radius.
    const crispNear = dilate(crisp, anatomy.width, 3);
    const softNear = dilate(SE, anatomy.width, 9);
    let missed = 0;
    let stray = 0;
    for (let at = 0; at < crisp.length; at++) {
      const change = Math.abs(sick.rgb[3 * at + 1] - well.rgb[3 * at + 1]);
      if ((crisp[at] === 1 || SE[at] === 1) && change < 8) missed++;
      if (crispNear[at] === 0 && softNear[at] === 0 && change > 0) stray++;
    }
    for (const mask of [MA, HE, EX, SE]) expect(mask.includes(1)).toBe(true);
    expect(missed).toBe(0);
    expect(stray).toBe(0);
  });
});
