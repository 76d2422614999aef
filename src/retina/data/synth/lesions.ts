/** Places lesions in a drawn eye as its grades call for. */
import type { Lesion } from '../../domain.ts';
import { type Anatomy, discDistance, distance, fromDisc, inField, type Point } from './anatomy.ts';
import { severeHemorrhagesPerQuadrant, type Wanted } from './labels.ts';
import type { SeededRandom } from './random.ts';
import { type Blob, blobReach, type VesselMap } from './raster.ts';
import { drawTuft, type Vessel } from './vessels.ts';

/** One connected spot of one lesion kind; hard exudates are clusters of many. */
export interface Spot {
  readonly kind: Lesion;
  readonly blob: Blob;
}

export interface LesionPlan {
  readonly lesions: Spot[];
  /** Tufts of new vessels, each a bundle of fine lines. */
  readonly tufts: Vessel[][];
}

// Pixels: below 0.72 a blob could fall between pixel centers and have an empty mask.
const leastRadius = 0.74;

/**
 * Places the lesions that the wanted grades call for. Placement is by rejection and may fall short in a crowded eye, so
 * the caller grades what was really placed and asks again where that differs.
 */
export function planLesions(anatomy: Anatomy, vessels: VesselMap, random: SeededRandom, wanted: Wanted): LesionPlan {
  const planner = new Planner(anatomy, vessels, random);
  const { retinopathy, edema, softExudates } = wanted;
  if (retinopathy === 4) {
    planner.addTufts(random.between(1, 3));
    if (random.chance(0.6)) planner.addPreretinalHemorrhage();
  }
  if (softExudates) planner.addSoftExudates(random.between(2, 5));
  if (edema === 2) planner.addExudatesNearFovea();
  if (edema > 0) planner.addExudatesElsewhere(edema === 2 ? random.between(0, 2) : random.between(1, 3), edema === 1);
  if (retinopathy >= 3) planner.addHemorrhages(spread(random, !softExudates && retinopathy === 3));
  if (retinopathy === 2)
    planner.addHemorrhages(random.shuffle([0, random.between(1, 3), random.between(0, 3), random.between(1, 3)]));
  if (retinopathy > 0) planner.addMicroaneurysms(random.between(4, 9) + 5 * Math.min(retinopathy - 1, 2));
  return planner.plan;
}

/** Hemorrhages per quadrant for grades 3 and 4. */
function spread(random: SeededRandom, mustBeEverywhere: boolean): number[] {
  const least = mustBeEverywhere ? severeHemorrhagesPerQuadrant : 1;
  return [0, 1, 2, 3].map(() => random.between(least, severeHemorrhagesPerQuadrant + 3));
}

/** Which of the four quadrants around the fovea a point lies in: 0 above-left, 1 above-right, 2 and 3 below. */
export function quadrant(anatomy: Anatomy, point: Point): number {
  return (point.y < anatomy.fovea.y ? 0 : 2) + (point.x < anatomy.fovea.x ? 0 : 1);
}

class Planner {
  readonly plan: LesionPlan = { lesions: [], tufts: [] };
  readonly #anatomy: Anatomy;
  readonly #vessels: VesselMap;
  readonly #random: SeededRandom;
  readonly #taken: (Point & { radius: number })[] = [];

  constructor(anatomy: Anatomy, vessels: VesselMap, random: SeededRandom) {
    this.#anatomy = anatomy;
    this.#vessels = vessels;
    this.#random = random;
  }

  addMicroaneurysms(count: number): void {
    for (let n = 0; n < count; n++) {
      // About three times as large as life: a real one is under 2 pixels of a frame 256 high, and vanishes at 96.
      const radius = this.#pixels(this.#random.range(2.2, 3.2));
      const at = this.#findPlace(radius, { apart: 3, offVessels: radius + 1, fovea: 0.3, within: 2.2 });
      if (at) this.#add('MA', this.#blob(at, radius, { lobes: 0.06 }));
    }
  }

  addHemorrhages(perQuadrant: readonly number[]): void {
    const { unit, disc } = this.#anatomy;
    for (let place = 0; place < 4; place++) {
      for (let n = 0; n < perQuadrant[place]; n++) {
        const flame = this.#random.chance(0.35);
        const radius =
          unit * (flame ? this.#random.range(3.4, 5.4) : this.#random.range(3.2, 3.8 + 4.2 * this.#random.uniform()));
        const at = this.#findPlace(radius * (flame ? 1.5 : 1.1), {
          apart: 4,
          offVessels: 1,
          fovea: 0.4,
          quadrant: place,
        });
        if (!at) continue;
        // Flames lie in the nerve fiber layer: along the fibers, which fan out from the disc.
        const along = Math.atan2(at.y - disc.y, at.x - disc.x) + this.#random.range(-0.3, 0.3);
        const shape = flame
          ? { lobes: 0.1, stretch: this.#random.range(2, 3.2), angle: along, feather: 0.09, softness: 1.6 * unit }
          : { lobes: 0.17, stretch: this.#random.range(1, 1.5), softness: 1.6 * unit };
        this.#add('HE', this.#blob(at, radius, shape));
      }
    }
  }

  /** Blood before the retina settles: a large blot with a level top. */
  addPreretinalHemorrhage(): void {
    const radius = this.#random.range(13, 19) * this.#anatomy.unit;
    const at = this.#findPlace(radius * 1.2, { apart: 5, offVessels: -99, fovea: 0.9 });
    if (at)
      this.#add('HE', {
        ...this.#blob(at, radius, { lobes: 0.05, stretch: 1.35, angle: 0, softness: 1.4 * this.#anatomy.unit }),
        levelTop: true,
      });
  }

  addSoftExudates(count: number): void {
    for (let n = 0; n < count; n++) {
      const radius = this.#random.range(6, 10) * this.#anatomy.unit;
      const at = this.#findPlace(radius * 1.25, {
        apart: 6,
        offVessels: -99,
        fovea: 0.8,
        within: 2,
        clearOfDisc: 0.35,
      });
      if (!at) continue;
      const { disc } = this.#anatomy;
      const across = Math.atan2(at.y - disc.y, at.x - disc.x) + Math.PI / 2 + this.#random.range(-0.5, 0.5);
      const softness = radius * this.#random.range(0.95, 1.35);
      this.#add(
        'SE',
        this.#blob(at, radius, { lobes: 0.14, stretch: this.#random.range(1.1, 1.7), angle: across, softness }),
      );
    }
  }

  /** A cluster whose nearest spot lies well within one disc diameter of the fovea. */
  addExudatesNearFovea(): void {
    const { fovea, discDiameter } = this.#anatomy;
    for (let tries = 0; tries < 60; tries++) {
      const angle = this.#random.range(0, 2 * Math.PI);
      const away = this.#random.range(0.3, 0.75) * discDiameter;
      const center = { x: fovea.x + away * Math.cos(angle), y: fovea.y + away * Math.sin(angle) };
      const before = this.plan.lesions.length;
      this.#addCluster(center, 0);
      if (this.plan.lesions.length - before >= 5) return;
    }
  }

  addExudatesElsewhere(clusters: number, keepFromFovea: boolean): void {
    for (let n = 0; n < clusters; n++) {
      const at = this.#findPlace(9 * this.#anatomy.unit, {
        apart: 3,
        offVessels: -99,
        fovea: 1.35,
        within: 2.3,
        clearOfDisc: 0.3,
      });
      if (at) this.#addCluster(at, keepFromFovea ? 1.1 : 0);
    }
  }

  /** Hard exudates: a heap of sharp-edged spots, or a ring of them (circinate) around leaking vessels. */
  #addCluster(center: Point, clearOfFovea: number): void {
    const { unit, fovea, discDiameter } = this.#anatomy;
    const circinate = this.#random.chance(0.3);
    const size = unit * (circinate ? this.#random.range(11, 17) : this.#random.range(6, 15));
    const count = circinate ? this.#random.between(14, 24) : this.#random.between(7, 20);
    const gapAt = this.#random.range(0, 2 * Math.PI);
    const cluster: Blob[] = [];
    for (let n = 0; n < count; n++) {
      const large = this.#random.chance(0.25);
      const radius = this.#pixels(large ? this.#random.range(2.3, 4) : this.#random.range(1.1, 2.1));
      const angle = circinate ? gapAt + this.#random.range(0, 5.2) : this.#random.range(0, 2 * Math.PI);
      const away = circinate
        ? size * this.#random.range(0.85, 1.12)
        : size * Math.sqrt(this.#random.uniform()) * this.#random.range(0.5, 1);
      const at = { x: center.x + away * Math.cos(angle), y: center.y + away * Math.sin(angle) };
      const blob = this.#blob(at, radius, { lobes: 0.16, stretch: this.#random.range(1, 1.7) });
      const reach = blobReach(blob);
      if (distance(at, fovea) - reach < clearOfFovea * discDiameter) continue;
      if (distance(at, fovea) < 0.16 * discDiameter + radius) continue;
      if (!inField(this.#anatomy, at, 3 * unit) || this.#vesselGap(at) < 0.4 * radius) continue;
      if (discDistance(this.#anatomy, at) < reach + 2 * unit) continue;
      // Spots of one cluster may touch and merge; other kinds of lesion keep their distance.
      if (this.#taken.some((other) => distance(other, at) < other.radius + reach + unit)) continue;
      cluster.push(blob);
    }
    for (const blob of cluster) this.#add('EX', blob);
  }

  /** New vessels: knots of fine winding lines at the disc's edge or out near the arcades. */
  addTufts(count: number): void {
    const { anatomy, random } = { anatomy: this.#anatomy, random: this.#random };
    const { unit, disc, axis } = anatomy;
    for (let n = 0; n < count; n++) {
      const atDisc = n === 0 ? random.chance(0.5) : false;
      const angle = random.range(0, 2 * Math.PI);
      const center = atDisc
        ? { x: disc.x + disc.radiusX * Math.cos(angle), y: disc.y + disc.radiusY * Math.sin(angle) }
        : fromDisc(anatomy, axis * random.range(0.15, 1.15), random.sign() * axis * random.range(0.5, 0.8));
      const size = unit * random.range(15, 23);
      if (!inField(anatomy, center, 0.6 * size)) {
        n -= 1; // Draws again: a tuft outside the frame would be a label without a picture.
        continue;
      }
      this.plan.tufts.push(drawTuft(random, center, size, unit));
      this.#taken.push({ ...center, radius: size });
    }
  }

  #findPlace(
    radius: number,
    rule: {
      /** Least gap to other lesions, units. */
      apart: number;
      /** Least gap from the center to a vessel's wall, pixels. */
      offVessels: number;
      /** Least and greatest distance from the fovea, disc diameters. */
      fovea: number;
      within?: number;
      /** Least gap to the disc's edge, disc diameters (default 0.08). */
      clearOfDisc?: number;
      quadrant?: number;
    },
  ): Point | undefined {
    const { fovea, field, discDiameter, unit, width, height } = this.#anatomy;
    const most = (rule.within ?? 3.2) * discDiameter;
    for (let tries = 0; tries < 400; tries++) {
      const at = { x: this.#random.range(0, width), y: this.#random.range(0, height) };
      if (distance(at, field) > 0.93 * field.radius - radius || !inField(this.#anatomy, at, radius + 4 * unit))
        continue;
      const away = distance(at, fovea);
      if (away < rule.fovea * discDiameter + radius || away > most) continue;
      if (rule.quadrant !== undefined && quadrant(this.#anatomy, at) !== rule.quadrant) continue;
      if (discDistance(this.#anatomy, at) < radius + (rule.clearOfDisc ?? 0.08) * discDiameter) continue;
      if (this.#vesselGap(at) < rule.offVessels) continue;
      if (this.#taken.some((other) => distance(other, at) < other.radius + radius + rule.apart * unit)) continue;
      return at;
    }
    return undefined;
  }

  #vesselGap(at: Point): number {
    const { width, height } = this.#anatomy;
    const x = Math.min(Math.max(Math.round(at.x), 0), width - 1);
    const y = Math.min(Math.max(Math.round(at.y), 0), height - 1);
    return this.#vessels.distance[y * width + x];
  }

  #blob(
    at: Point,
    radius: number,
    shape: { lobes: number; stretch?: number; angle?: number; feather?: number; softness?: number },
  ): Blob {
    const random = this.#random;
    const lobes = [2, 3, 5].map((count) => ({
      count,
      height: (shape.lobes * random.range(0.4, 1)) / Math.sqrt(count - 1),
      phase: random.range(0, 2 * Math.PI),
    }));
    if (shape.feather) lobes.push({ count: 11, height: shape.feather, phase: random.range(0, 2 * Math.PI) });
    return {
      ...at,
      radius,
      stretch: shape.stretch ?? 1,
      angle: shape.angle ?? random.range(0, Math.PI),
      lobes,
      softness: Math.max(1, shape.softness ?? 1),
      levelTop: false,
    };
  }

  #add(kind: Lesion, blob: Blob): void {
    this.plan.lesions.push({ kind, blob });
    this.#take(blob);
  }

  #take(blob: Blob): void {
    this.#taken.push({ x: blob.x, y: blob.y, radius: blobReach(blob) - 1 });
  }

  #pixels(units: number): number {
    return Math.max(leastRadius, units * this.#anatomy.unit);
  }
}
