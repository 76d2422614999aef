/** Tier: no adapter. Schedules against torch.optim.lr_scheduler (fixtures/make_fixtures.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { constant, cosine, oneCycle, polynomial, type Schedule } from './schedules.ts';

interface Course {
  readonly name: string;
  readonly options: Readonly<Record<string, number>>;
  readonly rates: readonly number[];
}

const fixtures: { readonly schedules: readonly Course[] } = JSON.parse(
  readFileSync(new URL('fixtures/optim.json', import.meta.url), 'utf8'),
);

type Options = Parameters<typeof cosine>[0];
const makers: Record<string, (options: Options) => Schedule> = { constant, cosine, oneCycle, polynomial };

describe('as torch has them', () => {
  fixtures.schedules.forEach(({ name, options, rates }) => {
    it(`${name} ${JSON.stringify(options)}`, () => {
      const schedule = makers[name](options as unknown as Options);
      rates.forEach((rate, step) => {
        expect(schedule(step), `step ${step}`).toBeCloseTo(rate, 10);
      });
    });
  });
});

describe('beyond torch', () => {
  it('stays at the end past the last step', () => {
    expect(cosine({ totalSteps: 5, minFactor: 0.25 })(100)).toBeCloseTo(0.25, 12);
    expect(polynomial({ totalSteps: 5, minFactor: 0.25, power: 3 })(100)).toBeCloseTo(0.25, 12);
    expect(oneCycle({ totalSteps: 5 })(100)).toBeCloseTo(1 / 25 / 1e4, 12);
  });

  it('warms polynomial decay up too and ends it at totalSteps', () => {
    const schedule = polynomial({ totalSteps: 10, warmupSteps: 4, minFactor: 0.1 });
    expect([0, 2, 4, 7, 10].map(schedule)).toEqual([0, 0.5, 1, 0.55, 0.1].map((x) => expect.closeTo(x, 12)));
  });

  it('is finite where a part has no room', () => {
    for (const totalSteps of [1, 2, 3]) {
      for (const pctStart of [0, 0.3, 0.5, 1]) {
        const schedule = oneCycle({ totalSteps, pctStart });
        for (let step = 0; step < totalSteps; step++) {
          expect(schedule(step), `${totalSteps} steps, ${pctStart}, step ${step}`).toBeGreaterThan(0);
          expect(schedule(step)).toBeLessThanOrEqual(1);
        }
      }
    }
  });

  it('refuses what leaves no steps', () => {
    expect(() => cosine({ totalSteps: 5, warmupSteps: 5 })).toThrow(/leave none of 5/);
    expect(() => cosine({ totalSteps: 2.5 })).toThrow(/totalSteps cannot be 2.5/);
    expect(() => oneCycle({ totalSteps: 10, pctStart: 2 })).toThrow(/pctStart/);
  });
});
