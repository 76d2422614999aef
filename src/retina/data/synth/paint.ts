/** Paints a drawn eye as a fundus camera sees it. */
import type { Lesion, Structure } from '../../domain.ts';
import { type Anatomy, BEYOND_FIELD, discDistance, fieldRow, norm } from './anatomy.ts';
import { expose, shineLight } from './camera.ts';
import type { LesionPlan } from './lesions.ts';
import { type Look, drawLook } from './look.ts';
import { blurRgb, valueNoise } from './noise.ts';
import type { SeededRandom } from './random.ts';
import { stampBlob, VesselMap } from './raster.ts';
import type { Vessel } from './vessels.ts';

/** A finished picture: interleaved 8-bit RGB, and one 0/1 byte per pixel for each kind of mask (row-major). */
export interface Painting {
  readonly rgb: Uint8Array;
  readonly masks: Record<Structure, Uint8Array>;
}

/** Opacity of each lesion kind at each pixel, 0..1. */
export type LesionPlanes = Record<Lesion, Float32Array>;

/** Lays the planned lesions out as opacities: what is painted and what is masked both come from these planes. */
export function rasterLesions(anatomy: Anatomy, plan: LesionPlan): LesionPlanes {
  const { width, height } = anatomy;
  const plane = (): Float32Array => new Float32Array(width * height);
  const planes: LesionPlanes = { MA: plane(), HE: plane(), EX: plane(), SE: plane() };
  for (const { kind, blob } of plan.lesions) stampBlob(planes[kind], width, height, blob);
  return planes;
}

/**
 * Paints one eye: pigment and choroid, macula, disc, vessels, lesions, then the camera's light, blur, grain and the round
 * stop. Masks are "at least half covered by the lesion", read from the very planes that were painted.
 */
export function paintFundus(
  anatomy: Anatomy,
  vessels: readonly Vessel[],
  plan: LesionPlan,
  planes: LesionPlanes,
  random: SeededRandom,
): Painting {
  const { width, height, unit } = anatomy;
  const look = drawLook(random);
  const image = paintRetina(anatomy, look, random);
  paintDisc(image, anatomy, look, random);
  paintVessels(image, anatomy, vessels, plan, look);
  paintLesions(image, anatomy, planes, look, random);
  shineLight(image, anatomy, look, random);
  blurRgb(image, width, height, random.range(0.45, 0.8) * Math.max(unit, 0.75));
  return { rgb: expose(image, anatomy, random), masks: readMasks(anatomy, planes) };
}

function readMasks(anatomy: Anatomy, planes: LesionPlanes): Record<Structure, Uint8Array> {
  const { width, height } = anatomy;
  const disc = new Uint8Array(width * height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) disc[at] = discDistance(anatomy, { x, y }) <= 0 ? 1 : 0;
  }
  return {
    MA: atLeastHalf(planes.MA),
    HE: atLeastHalf(planes.HE),
    EX: atLeastHalf(planes.EX),
    SE: atLeastHalf(planes.SE),
    OD: disc,
  };
}

function atLeastHalf(plane: Float32Array): Uint8Array {
  const mask = new Uint8Array(plane.length);
  for (let at = 0; at < plane.length; at++) mask[at] = plane[at] >= 0.5 ? 1 : 0;
  return mask;
}

/** The pigmented background: choroidal streaks, fiber striae around the disc, glow there, and the dark macula. */
function paintRetina(anatomy: Anatomy, look: Look, random: SeededRandom): Float32Array {
  const { width, height, unit, fovea, disc, discDiameter } = anatomy;
  const image = new Float32Array(3 * width * height);
  const cloud = valueNoise(random, width, height, 70 * unit);
  const patch = valueNoise(random, width, height, 19 * unit);
  const fine = valueNoise(random, width, height, 5 * unit);
  const warpX = valueNoise(random, width, height, 34 * unit);
  const warpY = valueNoise(random, width, height, 34 * unit);
  const choroid = valueNoise(random, 1.5 * width, 1.5 * height, 12 * unit);
  const striae = valueNoise(random, 720, 64, 6);
  for (let y = 0; y < height; y++) {
    const { first, end } = fieldRow(anatomy, y, BEYOND_FIELD * unit);
    for (let x = first, at = 3 * (y * width + first); x < end; x++, at += 3) {
      const toFovea = norm(x - fovea.x, y - fovea.y) / discDiameter;
      const dx = x - disc.x;
      const dy = y - disc.y;
      const toDisc = norm(dx, dy) / discDiameter;
      const bent = choroid(x + 14 * unit * (1 + warpX(x, y)), y + 14 * unit * (1 + warpY(x, y)));
      // A ridge where the noise crosses zero: a net of lines, as the larger choroidal vessels look. Macula hides it.
      const ridge = (1 - Math.min(1, 3.2 * Math.abs(bent))) * (1 - Math.exp(-toFovea * toFovea * 0.5));
      const fiber = striae(((Math.atan2(dy, dx) + Math.PI) / (2 * Math.PI)) * 719, 6 * toDisc);
      const texture =
        1 +
        look.grain * (1.4 * cloud(x, y) + 0.9 * patch(x, y) + 0.6 * fine(x, y)) +
        0.035 * fiber * Math.exp(-toDisc * 0.7) +
        look.glow * Math.exp(-toDisc * toDisc * 0.75);
      const dark =
        look.macula * Math.exp(-((toFovea / 0.42) ** 2)) + 0.3 * look.macula * Math.exp(-((toFovea / 1.15) ** 2));
      image[at] = look.base[0] * texture * (1 - 0.62 * dark) * (1 + 0.35 * look.tigroid * ridge);
      image[at + 1] = look.base[1] * texture * (1 - dark) * (1 + look.tigroid * ridge);
      image[at + 2] = look.base[2] * texture * (1 - 0.9 * dark) * (1 + 0.6 * look.tigroid * ridge);
    }
  }
  return image;
}

/** The optic disc: a yellow-pink rim around a paler cup that sits a little temporally. */
function paintDisc(image: Float32Array, anatomy: Anatomy, look: Look, random: SeededRandom): void {
  const { width, height, unit, disc, temporal } = anatomy;
  const mottle = valueNoise(random, width, height, 6 * unit);
  const brightness = random.range(0.94, 1.06);
  const rimColor = [252, Math.max(158, look.base[1] * 1.85), Math.min(130, look.base[2] * 1.9 + 22)];
  const cupColor = [262, 226, Math.min(195, look.base[2] * 2.4 + 70)];
  const reach = disc.radiusY + 6 * unit;
  for (let y = Math.max(0, Math.floor(disc.y - reach)); y <= Math.min(height - 1, disc.y + reach); y++) {
    for (let x = Math.max(0, Math.floor(disc.x - reach)); x <= Math.min(width - 1, disc.x + reach); x++) {
      const cover = Math.min(Math.max(0.5 - discDistance(anatomy, { x, y }) / (3.2 * unit), 0), 1);
      if (cover === 0) continue;
      const dx = (x - disc.x) / disc.radiusX;
      const dy = (y - disc.y) / disc.radiusY;
      const nasal = -(dx * temporal.x + dy * temporal.y);
      const inCup = norm(dx - temporal.x * look.cup.x, dy - look.cup.y) / look.cup.size;
      const cup = look.cup.light / (1 + Math.exp(7 * (inCup - 1)));
      const shade = brightness * (1 + 0.03 * mottle(x, y) - 0.07 * Math.max(0, nasal));
      const at = 3 * (y * width + x);
      for (let c = 0; c < 3; c++) {
        const pink = c === 0 ? 1 : 1 - 0.12 * Math.max(0, nasal);
        const color = (rimColor[c] * pink + (cupColor[c] - rimColor[c] * pink) * cup) * shade;
        image[at + c] += (color - image[at + c]) * cover;
      }
    }
  }
}

// Share of red, green and blue light that one full depth of blood takes away, as an exponent.
const absorption = {
  artery: [0.12, 0.5, 0.46],
  vein: [0.3, 0.76, 0.62],
  tuft: [0.1, 0.72, 0.62],
  hemorrhage: [0.44, 0.98, 0.85],
  microaneurysm: [0.34, 1.05, 0.9],
} as const;

function absorb(image: Float32Array, at: number, depth: number, color: readonly [number, number, number]): void {
  for (let c = 0; c < 3; c++) image[at + c] *= Math.exp(-depth * color[c]);
}

function paintVessels(
  image: Float32Array,
  anatomy: Anatomy,
  vessels: readonly Vessel[],
  plan: LesionPlan,
  look: Look,
): void {
  const { width, height } = anatomy;
  const veins = new VesselMap(width, height);
  const arteries = new VesselMap(width, height);
  const tufts = new VesselMap(width, height);
  for (const { kind, points } of vessels) (kind === 'vein' ? veins : arteries).draw(points, 1);
  for (const tuft of plan.tufts) for (const { points } of tuft) tufts.draw(points, 1);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const vein = veins.depth(pixel);
    const artery = arteries.depth(pixel);
    const tuft = tufts.depth(pixel);
    if (vein > 0) absorb(image, 3 * pixel, look.vesselDepth * vein * (1 - 0.2 * veins.reflex(pixel)), absorption.vein);
    if (artery > 0) {
      absorb(image, 3 * pixel, look.vesselDepth * artery * (1 - 0.45 * arteries.reflex(pixel)), absorption.artery);
    }
    if (tuft > 0) absorb(image, 3 * pixel, tuft, absorption.tuft);
  }
}

function paintLesions(
  image: Float32Array,
  anatomy: Anatomy,
  planes: LesionPlanes,
  look: Look,
  random: SeededRandom,
): void {
  const { width, height, unit } = anatomy;
  const mottle = valueNoise(random, width, height, 2.5 * unit);
  // Relative to the pigment, so that they keep their contrast in pale and in dark eyes.
  const exudate = [250, Math.max(208, look.base[1] * 2.3), Math.min(150, 70 + look.base[2] * 1.4)];
  const cotton = [236, Math.max(182, look.base[1] * 1.95), Math.min(150, 80 + look.base[2] * 1.5)];
  for (let pixel = 0; pixel < width * height; pixel++) {
    const at = 3 * pixel;
    const { MA, HE, SE, EX } = planes;
    if (MA[pixel] + HE[pixel] + SE[pixel] + EX[pixel] === 0) continue;
    const grain = mottle(pixel % width, Math.floor(pixel / width));
    absorb(image, at, HE[pixel] * (0.9 + 0.2 * grain), absorption.hemorrhage);
    absorb(image, at, MA[pixel], absorption.microaneurysm);
    const soft = (0.82 + 0.16 * grain) * SE[pixel];
    const hard = (0.9 + 0.08 * grain) * EX[pixel];
    for (let c = 0; c < 3; c++) {
      image[at + c] += (cotton[c] - image[at + c]) * soft;
      image[at + c] += (exudate[c] - image[at + c]) * hard;
    }
  }
}
