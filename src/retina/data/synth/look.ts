/** Draws what varies from photograph to photograph. */
import type { SeededRandom } from './random.ts';

/** What varies from photograph to photograph: the eye's pigment and the camera's light. */
export interface Look {
  readonly base: readonly [number, number, number];
  readonly vignette: number;
  readonly slopeX: number;
  readonly slopeY: number;
  readonly grain: number;
  readonly tigroid: number;
  readonly macula: number;
  readonly glow: number;
  readonly vesselDepth: number;
  readonly haze: number;
  readonly rim: readonly [number, number, number];
  readonly cup: { readonly size: number; readonly x: number; readonly y: number; readonly light: number };
}

/** Draws the look of one photograph. */
export function drawLook(random: SeededRandom): Look {
  const red = random.range(148, 214);
  const green = red * random.range(0.38, 0.56);
  const cool = random.chance(0.25) ? random.range(8, 30) : 0;
  return {
    base: [red, green, green * random.range(0.16, 0.66)],
    vignette: random.range(0.16, 0.42),
    slopeX: random.range(-0.12, 0.12),
    slopeY: random.range(-0.1, 0.1),
    grain: random.range(0.03, 0.06),
    tigroid: random.chance(0.4) ? random.range(0.08, 0.16) : random.range(0.02, 0.06),
    macula: random.range(0.26, 0.46),
    glow: random.range(0.08, 0.3),
    vesselDepth: random.range(0.85, 1.2),
    haze: random.range(0, 0.12),
    rim: [0.2 * cool, 0.25 * cool, cool],
    cup: {
      size: random.range(0.36, 0.58),
      x: random.range(0.02, 0.18),
      y: random.range(-0.12, 0.08),
      light: random.range(0.75, 1),
    },
  };
}
