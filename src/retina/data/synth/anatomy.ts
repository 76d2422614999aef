/** Draws where the parts of an eye lie in its frame. */
import type { SeededRandom } from './random.ts';

/** A point in frame pixels; y grows downwards. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * Where the parts of one eye lie in its frame. Proportions are those measured on IDRiD frames (50 degree field, macula
 * centerd): field diameter 1.19 frame heights, its center left of the frame's; disc diameter 0.19 heights; the fovea
 * about 2.4 disc diameters from the disc's center.
 */
export interface Anatomy {
  readonly width: number;
  readonly height: number;
  /** Pixels in 1/256 of the frame's height: sizes below are thought out for a frame 256 high. */
  readonly unit: number;
  /** The round field of view, cut by the frame's top and bottom. */
  readonly field: Point & { readonly radius: number };
  /** A right eye has its disc on the right. */
  readonly side: 'left' | 'right';
  readonly disc: Point & { readonly radiusX: number; readonly radiusY: number };
  readonly fovea: Point;
  /** One disc diameter in pixels (the mean of the two axes): the ruler of the macular-edema grade. */
  readonly discDiameter: number;
  /** Unit vector from the disc to the fovea. */
  readonly temporal: Point;
  /** Unit vector at right angles to `temporal`, pointing up. */
  readonly superior: Point;
  /** From disc to fovea in pixels. */
  readonly axis: number;
}

/** Painting goes so far beyond the field's edge, in units: the notch reaches 6, and a blur of 2 must not pull black in. */
export const BEYOND_FIELD = 8;

/** Draws the anatomy of one eye for a frame `height` pixels high (the width is 1.5 heights, rounded). */
export function drawAnatomy(random: SeededRandom, height: number): Anatomy {
  const width = Math.round(1.5 * height);
  const radius = height * random.range(0.585, 0.625);
  const field = { x: width * random.range(0.462, 0.5), y: height * random.range(0.49, 0.51), radius };
  const side = random.chance(0.5) ? 'left' : 'right';
  const towardsDisc = side === 'right' ? 1 : -1;
  const axis = height * random.range(0.425, 0.475);
  // The disc stands a little above the fovea: the axis is tilted by up to about 10 degrees.
  const tilt = random.range(-0.03, 0.17);
  const fovea = {
    x: field.x - towardsDisc * height * random.range(-0.02, 0.06),
    y: field.y + height * random.range(-0.03, 0.05),
  };
  const temporal = { x: -towardsDisc * Math.cos(tilt), y: Math.sin(tilt) };
  const superior = { x: -towardsDisc * Math.sin(tilt), y: -Math.cos(tilt) };
  const discRadius = height * random.range(0.088, 0.102);
  const roundness = random.range(1.02, 1.12);
  return {
    width,
    height,
    unit: height / 256,
    field,
    side,
    fovea,
    disc: {
      x: fovea.x - temporal.x * axis,
      y: fovea.y - temporal.y * axis,
      radiusX: discRadius / Math.sqrt(roundness),
      radiusY: discRadius * Math.sqrt(roundness),
    },
    discDiameter: 2 * discRadius,
    temporal,
    superior,
    axis,
  };
}

/** The frame point `u` pixels temporal and `v` pixels above the disc's center (in the eye's own tilted axes). */
export function fromDisc(anatomy: Anatomy, u: number, v: number): Point {
  const { disc, temporal, superior } = anatomy;
  return { x: disc.x + temporal.x * u + superior.x * v, y: disc.y + temporal.y * u + superior.y * v };
}

/** sqrt(x² + y²). Math.hypot, which guards against overflow, takes ten times as long and was half the time of a picture. */
export function norm(x: number, y: number): number {
  return Math.sqrt(x * x + y * y);
}

/** Euclidean distance, pixels. */
export function distance(a: Point, b: Point): number {
  return norm(a.x - b.x, a.y - b.y);
}

/**
 * Pixels of row `y` from `first` up to, not including, `end` whose distance to the field is at most `margin`: what lies beyond is black, and
 * need not be painted.
 */
export function fieldRow({ field, width }: Anatomy, y: number, margin: number): { first: number; end: number } {
  const reach = field.radius + margin;
  const half = Math.sqrt(Math.max(0, reach * reach - (y - field.y) ** 2));
  return { first: Math.max(0, Math.floor(field.x - half)), end: Math.min(width, Math.ceil(field.x + half) + 1) };
}

/** True where the point lies in the visible field, at least `margin` pixels from its edge and from the frame's. */
export function inField(anatomy: Anatomy, point: Point, margin: number): boolean {
  return (
    distance(anatomy.field, point) < anatomy.field.radius - margin &&
    point.y >= margin &&
    point.y <= anatomy.height - 1 - margin
  );
}

/** Signed distance in pixels to the disc's edge, negative inside (first order: exact on the edge itself). */
export function discDistance(anatomy: Anatomy, point: Point): number {
  const { disc } = anatomy;
  const dx = (point.x - disc.x) / disc.radiusX;
  const dy = (point.y - disc.y) / disc.radiusY;
  return (norm(dx, dy) - 1) * Math.min(disc.radiusX, disc.radiusY);
}
