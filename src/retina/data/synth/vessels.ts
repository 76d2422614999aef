/** Grows the vessels of a drawn eye. */
import { type Anatomy, distance, fromDisc, type Point } from './anatomy.ts';
import type { SeededRandom } from './random.ts';

/** A center line with its radius (pixels) at each point. */
export interface Vessel {
  readonly kind: 'artery' | 'vein';
  readonly points: (Point & { readonly radius: number })[];
}

/** No vessel comes nearer to the fovea than this many disc diameters (the avascular zone, drawn a little wide). */
const avascularRadius = 0.36;

/** How a walking branch steers: towards the fovea, away from it, or nowhere in particular. */
type Course = 'inward' | 'outward' | 'free';

/**
 * Grows the retinal vessels: in each of the four arcades an artery and a vein arch from the disc around the macula,
 * smaller ones run nasally and straight to the macula; all branch, and a branch is thinner than its parent.
 */
export function growVessels(anatomy: Anatomy, random: SeededRandom): Vessel[] {
  const vessels: Vessel[] = [];
  const { axis, unit } = anatomy;
  const root = fromDisc(anatomy, -0.03 * axis, 0);
  const caliber = random.range(0.9, 1.15) * unit;
  for (const upDown of [1, -1]) {
    const reach = axis * random.range(0.74, 0.95);
    for (const kind of ['vein', 'artery'] as const) {
      const radius = caliber * (kind === 'vein' ? random.range(2.3, 2.7) : random.range(1.7, 2.1));
      const rise = upDown * reach * (kind === 'vein' ? 1 : random.range(0.84, 1.14));
      const points = arcade(anatomy, random, rise, radius);
      vessels.push({ kind, points });
      sprout(anatomy, random, vessels, points, kind, 0, rise > 0 ? 1 : -1);
    }
    // The nasal arcades run shorter and straighter.
    for (const kind of ['vein', 'artery'] as const) {
      const angle = upDown * random.range(1.75, 2.45);
      const radius = caliber * (kind === 'vein' ? random.range(1.4, 1.8) : random.range(1.1, 1.4));
      walk(anatomy, random, vessels, root, frameAngle(anatomy, angle), radius, kind, 'free', 0, 190);
    }
  }
  for (let n = random.between(1, 3); n > 0; n--) {
    const angle = random.range(2.6, 3.7);
    const kind = random.chance(0.5) ? 'vein' : 'artery';
    walk(anatomy, random, vessels, root, frameAngle(anatomy, angle), caliber * 0.95, kind, 'free', 1, 120);
  }
  for (const angle of [random.range(0.25, 0.6), -random.range(0.25, 0.6)]) {
    const kind = random.chance(0.5) ? 'vein' : 'artery';
    walk(anatomy, random, vessels, root, frameAngle(anatomy, angle), caliber * 0.75, kind, 'inward', 1, 95);
  }
  return vessels;
}

/** Turns an angle in the eye's axes (0 temporal, positive up) into one in the frame. */
function frameAngle(anatomy: Anatomy, angle: number): number {
  const { temporal, superior } = anatomy;
  const x = temporal.x * Math.cos(angle) + superior.x * Math.sin(angle);
  const y = temporal.y * Math.cos(angle) + superior.y * Math.sin(angle);
  return Math.atan2(y, x);
}

/** One main arcade: leaves the disc upwards (or downwards), bends temporally, flattens beyond the fovea. */
function arcade(anatomy: Anatomy, random: SeededRandom, rise: number, radius: number): Vessel['points'] {
  const { axis, unit } = anatomy;
  const length = axis * random.range(2.0, 2.5);
  const lean = random.range(-0.2, 0.06) * axis;
  const droop = random.range(-0.12, 0.35);
  const waves = [1.5, 2.7, 4.6].map((cycles) => ({
    cycles: cycles * random.range(0.8, 1.2),
    phase: random.range(0, 2 * Math.PI),
    height: (random.range(5, 13) * unit) / cycles,
  }));
  const points: Vessel['points'] = [];
  const steps = 90;
  for (let step = 0; step <= steps; step++) {
    const t = step / steps;
    let u = -0.03 * axis + length * t * t + lean * t * (1 - t) * 2;
    let v = rise * (1 - (1 - t) ** 2.6 - droop * t * t * t);
    for (const wave of waves) {
      const sway = wave.height * Math.sin(2 * Math.PI * wave.cycles * t + wave.phase) * Math.min(1, 6 * t);
      u += 0.6 * sway * (1 - t);
      v += sway;
    }
    points.push({ ...fromDisc(anatomy, u, v), radius: radius * (1 - 0.72 * t) });
  }
  return points;
}

/** Sends branches off a center line at irregular intervals, to alternating sides. */
function sprout(
  anatomy: Anatomy,
  random: SeededRandom,
  vessels: Vessel[],
  parent: Vessel['points'],
  kind: Vessel['kind'],
  depth: number,
  arcadeSign: number,
): void {
  const { unit, disc, discDiameter, fovea } = anatomy;
  let side = random.sign();
  let next = random.range(12, 34) * unit;
  let traveled = 0;
  for (let i = 1; i < parent.length - 2; i++) {
    traveled += distance(parent[i - 1], parent[i]);
    if (traveled < next) continue;
    next = traveled + random.range(20, 46) * unit;
    const at = parent[i];
    if (distance(at, disc) < 0.75 * discDiameter) continue;
    const radius = at.radius * random.range(0.45, 0.76);
    if (radius < 0.36 * unit) return;
    const heading = Math.atan2(parent[i + 1].y - parent[i - 1].y, parent[i + 1].x - parent[i - 1].x);
    const turn = side * random.range(0.4, 0.9);
    const aim = { x: at.x + Math.cos(heading + turn), y: at.y + Math.sin(heading + turn) };
    const inward = distance(aim, fovea) < distance(at, fovea);
    const length = (inward && arcadeSign !== 0 ? random.range(45, 90) : random.range(40, 120)) * (depth > 0 ? 0.6 : 1);
    walk(anatomy, random, vessels, at, heading + turn, radius, kind, inward ? 'inward' : 'outward', depth + 1, length);
    side = random.chance(0.75) ? -side : side;
  }
}

/** One free branch: a persistent random walk that keeps out of the avascular zone. `length` is in units. */
function walk(
  anatomy: Anatomy,
  random: SeededRandom,
  vessels: Vessel[],
  start: Point,
  heading: number,
  radius: number,
  kind: Vessel['kind'],
  course: Course,
  depth: number,
  length: number,
): void {
  const { unit, fovea, field, discDiameter } = anatomy;
  const step = 2 * unit;
  const steps = Math.round(length / 2);
  const points: Vessel['points'] = [{ ...start, radius }];
  let angle = heading;
  let bend = 0;
  let at = start;
  for (let n = 1; n <= steps; n++) {
    const toFovea = Math.atan2(fovea.y - at.y, fovea.x - at.x);
    const gap = distance(at, fovea) / discDiameter;
    bend = 0.86 * bend + 0.03 * random.normal() - 0.012 * Math.sin(angle - heading);
    angle += bend;
    if (course === 'inward') angle += 0.022 * Math.sin(toFovea - angle);
    if (course === 'outward') angle -= 0.02 * Math.sin(toFovea - angle);
    // Close to the fovea a vessel turns along the edge of the avascular zone, harder the nearer it is.
    if (gap < 0.85) {
      const ahead = Math.cos(toFovea - angle);
      if (ahead > 0) angle -= Math.sign(Math.sin(toFovea - angle) || 1) * ahead * 0.35 * (1 - gap);
    }
    at = { x: at.x + step * Math.cos(angle), y: at.y + step * Math.sin(angle) };
    const taper = radius * (1 - 0.6 * (n / steps));
    if (distance(at, fovea) < (avascularRadius + 0.02) * discDiameter + taper) break;
    if (distance(at, field) > field.radius + 4 * unit) break;
    points.push({ ...at, radius: taper });
  }
  if (points.length < 4) return;
  vessels.push({ kind, points });
  if (depth < 3) sprout(anatomy, random, vessels, points, kind, depth, 0);
}

/** A tuft of new vessels, `size` pixels in radius: random walks that are drawn back to the center when they stray. */
export function drawTuft(random: SeededRandom, center: Point, size: number, unit: number): Vessel[] {
  const tuft: Vessel[] = [];
  for (let line = random.between(10, 14); line > 0; line--) {
    const points: Vessel['points'] = [];
    let at: Point = { x: center.x + 0.4 * size * random.normal(), y: center.y + 0.4 * size * random.normal() };
    let angle = random.range(0, 2 * Math.PI);
    for (let step = 0; step < 26; step++) {
      points.push({ ...at, radius: 0.72 * unit });
      const home = Math.atan2(center.y - at.y, center.x - at.x);
      const stray = distance(at, center) / size;
      angle += 0.55 * random.normal() + 0.6 * Math.max(0, stray - 0.4) * Math.sin(home - angle);
      at = { x: at.x + 1.6 * unit * Math.cos(angle), y: at.y + 1.6 * unit * Math.sin(angle) };
    }
    tuft.push({ kind: 'artery', points });
  }
  return tuft;
}
