/** The camera that a drawn eye is photographed with: its light and its sensor. */
import { type Anatomy, BEYOND_FIELD, fieldRow, norm } from './anatomy.ts';
import type { Look } from './look.ts';
import { valueNoise } from './noise.ts';
import type { SeededRandom } from './random.ts';

/** The camera's flash: falls off towards the rim, leans to one side, and leaves haze in the media and at the edge. */
export function shineLight(image: Float32Array, anatomy: Anatomy, look: Look, random: SeededRandom): void {
  const { width, height, unit, field } = anatomy;
  const uneven = valueNoise(random, width, height, 90 * unit);
  const veil = [look.base[0] * 0.95, look.base[1] * 1.05, look.base[2] * 1.1];
  for (let y = 0; y < height; y++) {
    const { first, end } = fieldRow(anatomy, y, BEYOND_FIELD * unit);
    for (let x = first, at = 3 * (y * width + first); x < end; x++, at += 3) {
      const dx = (x - field.x) / field.radius;
      const dy = (y - field.y) / field.radius;
      const square = dx * dx + dy * dy;
      const light =
        (1.06 - look.vignette * square * (0.35 + 0.65 * square) + look.slopeX * dx + look.slopeY * dy) *
        (1 + 0.06 * uneven(x, y));
      const edge = square * square * square;
      for (let c = 0; c < 3; c++) {
        const hazy = image[at + c] + (veil[c] - image[at + c]) * look.haze;
        image[at + c] = hazy * light + look.rim[c] * edge;
      }
    }
  }
}

/** The sensor: grain, highlights that saturate gently, and the round stop with its notch on black. */
export function expose(image: Float32Array, anatomy: Anatomy, random: SeededRandom): Uint8Array {
  const { width, height, unit, field } = anatomy;
  const rgb = new Uint8Array(3 * width * height);
  const noise = random.range(1.2, 2.6);
  const black = random.range(0, 3);
  // The two teeth beside the field that Kowa frames show at the upper right, in the camera's frame, not the eye's.
  const notch = -0.52 + random.range(-0.04, 0.04);
  rgb.fill(Math.round(black));
  for (let y = 0; y < height; y++) {
    const { first, end } = fieldRow(anatomy, y, BEYOND_FIELD * unit);
    for (let x = first, at = 3 * (y * width + first); x < end; x++, at += 3) {
      const dx = x - field.x;
      const dy = y - field.y;
      let stop = field.radius;
      if (dx > 0 && dy < 0) {
        const turn = Math.atan2(dy, dx) - notch;
        if (Math.abs(turn) < 0.045) stop += unit * (turn < 0 ? 4 : 6);
      }
      const open = Math.min(Math.max(0.5 + (stop - norm(dx, dy)) / (1.6 * unit), 0), 1);
      // A sum of uniforms is close enough to a normal for grain, and several times cheaper.
      const grain = noise * (random.uniform() + random.uniform() + random.uniform() - 1.5) * 2;
      for (let c = 0; c < 3; c++) {
        const value = open * (image[at + c] + grain * (c === 2 ? 0.6 : 1)) + (1 - open) * black;
        const knee = value > 225 ? 225 + 30 * (1 - Math.exp(-(value - 225) / 30)) : value;
        rgb[at + c] = Math.min(Math.max(Math.round(knee), 0), 255);
      }
    }
  }
  return rgb;
}
