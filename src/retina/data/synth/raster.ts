/** Shapes of drawn lesions and vessels, and what each covers of a pixel. */
import { norm } from './anatomy.ts';

/** A shape whose edge wobbles around an ellipse: every lesion is one of these or a cluster of them. */
export interface Blob {
  readonly x: number;
  readonly y: number;
  /** Radius in pixels of the circle with about the same area. */
  readonly radius: number;
  /** Long axis over short axis, at least 1. */
  readonly stretch: number;
  /** Direction of the long axis, radians in frame coordinates. */
  readonly angle: number;
  /** Lobes of the outline: the radius is multiplied by 1 + sum of height * cos(lobes * theta + phase). */
  readonly lobes: readonly { readonly count: number; readonly height: number; readonly phase: number }[];
  /** Width in pixels over which the edge fades from full to nothing; 1 is a crisp, antialiased edge. */
  readonly softness: number;
  /** Cut off everything above the center (the level top of a preretinal hemorrhage). */
  readonly levelTop: boolean;
}

/** Approximate signed distance in pixels from a point to the blob's outline, negative inside. */
function blobDistance(blob: Blob, x: number, y: number): number {
  const dx = x - blob.x;
  const dy = y - blob.y;
  const cos = Math.cos(blob.angle);
  const sin = Math.sin(blob.angle);
  const grow = Math.sqrt(blob.stretch);
  const along = (dx * cos + dy * sin) / grow;
  const across = (dy * cos - dx * sin) * grow;
  const theta = Math.atan2(across, along);
  let outline = 1;
  for (const lobe of blob.lobes) outline += lobe.height * Math.cos(lobe.count * theta + lobe.phase);
  const rho = norm(along, across);
  // Undo the stretch in the direction of the point, so that the fade is as wide at the tips as at the sides.
  const scale = rho > 1e-6 ? norm(dx, dy) / rho : 1 / grow;
  const round = (rho - blob.radius * outline) * scale;
  return blob.levelTop ? Math.max(round, -dy) : round;
}

/** Half the side of a square around the blob's center that holds all of it, fade included (pixels). */
export function blobReach(blob: Blob): number {
  let outline = 1;
  for (const lobe of blob.lobes) outline += Math.abs(lobe.height);
  return blob.radius * outline * Math.sqrt(blob.stretch) + blob.softness + 1;
}

/**
 * Paints the blob's opacity into a plane (width x height, row-major) by maximum. Opacity is 0.5 exactly on the outline,
 * so that "opacity >= 0.5" is the blob's mask; a blob of radius 0.72 pixels or more owns at least one pixel.
 */
export function stampBlob(plane: Float32Array, width: number, height: number, blob: Blob): void {
  const reach = blobReach(blob);
  const left = Math.max(0, Math.floor(blob.x - reach));
  const right = Math.min(width - 1, Math.ceil(blob.x + reach));
  const top = Math.max(0, Math.floor(blob.y - reach));
  const bottom = Math.min(height - 1, Math.ceil(blob.y + reach));
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const ramp = Math.min(Math.max(0.5 - blobDistance(blob, x, y) / blob.softness, 0), 1);
      const opacity = ramp * ramp * (3 - 2 * ramp);
      const at = y * width + x;
      if (opacity > plane[at]) plane[at] = opacity;
    }
  }
}

/** For every pixel: the signed distance to the nearest vessel wall and that vessel's radius there. */
export class VesselMap {
  readonly width: number;
  readonly height: number;
  readonly distance: Float32Array;
  readonly radius: Float32Array;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.distance = new Float32Array(width * height).fill(1e3);
    this.radius = new Float32Array(width * height);
  }

  /** Draws a center line; `margin` is how far from the wall distances are still recorded (pixels). */
  draw(points: readonly { x: number; y: number; radius: number }[], margin: number): void {
    for (let i = 1; i < points.length; i++) this.#segment(points[i - 1], points[i], margin);
  }

  #segment(
    from: { x: number; y: number; radius: number },
    to: { x: number; y: number; radius: number },
    margin: number,
  ): void {
    const { width, height, distance, radius: radii } = this;
    const reach = Math.max(from.radius, to.radius) + margin;
    const left = Math.max(0, Math.floor(Math.min(from.x, to.x) - reach));
    const right = Math.min(width - 1, Math.ceil(Math.max(from.x, to.x) + reach));
    const top = Math.max(0, Math.floor(Math.min(from.y, to.y) - reach));
    const bottom = Math.min(height - 1, Math.ceil(Math.max(from.y, to.y) + reach));
    const dx = to.x - from.x;
    const dy = to.y - from.y;
    const lengthSquared = dx * dx + dy * dy || 1e-9;
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const t = Math.min(Math.max(((x - from.x) * dx + (y - from.y) * dy) / lengthSquared, 0), 1);
        const radius = from.radius + (to.radius - from.radius) * t;
        const gap = norm(x - from.x - t * dx, y - from.y - t * dy) - radius;
        const at = y * width + x;
        if (gap < distance[at]) {
          distance[at] = gap;
          radii[at] = radius;
        }
      }
    }
  }

  /** Depth of blood seen through the pixel, 0..1: a round tube's profile, antialiased, fainter below pixel width. */
  depth(at: number): number {
    const gap = this.distance[at];
    if (gap > 0.5) return 0;
    const radius = this.radius[at];
    const coverage = Math.min(0.5 - gap, 1, 2 * radius);
    const offset = Math.min(Math.max(1 + gap / radius, 0), 1);
    return coverage * (0.62 + 0.38 * Math.sqrt(1 - offset * offset));
  }

  /** Strength of the light streak along the middle of a wide vessel, 0..1. */
  reflex(at: number): number {
    const radius = this.radius[at];
    const gap = this.distance[at];
    if (gap > 0 || radius < 1.1) return 0;
    const offset = (1 + gap / radius) / 0.38;
    return Math.exp(-offset * offset) * Math.min(1, (radius - 1.1) / 0.9);
  }
}
