/** Tier: no adapter. */
import { describe, expect, it } from 'vitest';
import { BEST_METRICS, bestMetric, Ranking } from './best.ts';
import { EPOCH_COLUMNS } from './columns.ts';

describe('bestMetric', () => {
  it('finds a figure by its name or its column, and suggests the nearest', () => {
    expect(bestMetric('loss')).toEqual({ name: 'loss', column: 'val_total', mode: 'min' });
    expect(bestMetric('val_retinopathyQwk').mode).toBe('max');
    expect(() => bestMetric('retinoQwk')).toThrow('"retinoQwk" is called "retinopathyQwk" now');
    expect(() => bestMetric('retinopathyQWK')).toThrow(/Did you mean "retinopathyQwk"/);
    expect(() => bestMetric('dice_HA')).toThrow(/Did you mean "dice_HE"|Did you mean "dice_MA"/);
  });

  it('names columns that the epoch log has', () => {
    for (const { column } of BEST_METRICS) expect(EPOCH_COLUMNS).toContain(column);
  });
});

describe('Ranking', () => {
  it('keeps the k best in order and counts validations without improvement', () => {
    const ranking = new Ranking(bestMetric('score'), 2);
    expect(ranking.add(1, Number.NaN)).toBe(false);
    expect([ranking.add(2, 0.5), ranking.add(3, 0.4), ranking.add(4, 0.3), ranking.add(5, 0.5)]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    expect([ranking.steps, ranking.best, ranking.sinceBest]).toEqual([[2, 5], 0.5, 3]);
    ranking.add(6, 0.6);
    expect([ranking.steps, ranking.best, ranking.sinceBest]).toEqual([[6, 2], 0.6, 0]);
  });

  it('turns round where less is better', () => {
    const ranking = new Ranking(bestMetric('loss'), 3);
    for (const [step, value] of [
      [1, 3],
      [2, 1],
      [3, 2],
      [4, 5],
    ])
      ranking.add(step, value);
    expect(ranking.steps).toEqual([2, 3, 1]);
  });

  it('goes on from a saved state, without checkpoints that are gone', () => {
    const ranking = new Ranking(bestMetric('score'), 2);
    ranking.add(1, 0.1);
    ranking.add(2, 0.2);
    const resumed = new Ranking(bestMetric('score'), 2);
    resumed.restore(JSON.parse(JSON.stringify(ranking.state())), new Set([2]));
    expect([resumed.steps, resumed.best, resumed.sinceBest]).toEqual([[2], 0.2, 0]);
  });
});
