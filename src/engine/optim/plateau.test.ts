/** Tier: no adapter. The plateau schedule against torch.optim.lr_scheduler.ReduceLROnPlateau (fixtures/make_plateau.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Plateau, type PlateauOptions } from './plateau.ts';

interface Course {
  readonly options: PlateauOptions;
  readonly values: readonly number[];
  readonly rates: readonly number[];
}

const courses: readonly Course[] = JSON.parse(readFileSync(new URL('fixtures/plateau.json', import.meta.url), 'utf8'));

describe('Plateau', () => {
  courses.forEach(({ options, values, rates }) => {
    it(`as torch: ${JSON.stringify(options)}`, () => {
      const plateau = new Plateau(options);
      values.forEach((value, index) => {
        const before = plateau.factor;
        expect(plateau.observe(value), `observation ${index}`).toBe(rates[index] !== before && before > rates[index]);
        expect(plateau.factor, `observation ${index}`).toBeCloseTo(rates[index], 12);
      });
      expect(new Set(rates).size).toBeGreaterThan(1);
    });

    it(`goes on from a saved state at every point: ${JSON.stringify(options)}`, () => {
      let plateau = new Plateau(options);
      values.forEach((value, index) => {
        const resumed = new Plateau(options);
        resumed.restore(JSON.parse(JSON.stringify(plateau.state())));
        resumed.observe(value);
        expect(resumed.factor).toBeCloseTo(rates[index], 12);
        plateau = resumed;
      });
    });
  });

  it('takes NaN for no improvement', () => {
    const plateau = new Plateau({ mode: 'max', patience: 1 });
    expect([Number.NaN, Number.NaN, Number.NaN].map((value) => plateau.observe(value))).toEqual([false, true, false]);
    expect(plateau.state().best).toBeNull();
  });

  it('refuses settings and states that make no sense', () => {
    expect(() => new Plateau({ mode: 'min', factor: 1 })).toThrow(/plateau factor cannot be 1/);
    expect(() => new Plateau({ mode: 'min', patience: 1.5 })).toThrow(/patience/);
    expect(() => new Plateau({ mode: 'min' }).restore({ factor: 0, best: null, bad: 0, cooldown: 0 })).toThrow(
      /cannot go on/,
    );
  });
});
