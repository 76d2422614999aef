/** Tier: no adapter. */
import { describe, expect, it } from 'vitest';
import { Engine } from '../../engine/autograd/engine.ts';
import { argmax, decideGrade } from '../metrics/inputs.ts';
import * as F from '../../engine/nn/functional.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { Generator } from '../../engine/tensor/random.ts';
import { EpochSums } from './epochSums.ts';
import { gradeFromLogits } from './stepReport.ts';

describe('the grade of a row of logits', () => {
  it('is the most probable one, of ordinal logits by the probabilities of CORN', async () => {
    const engine = new Engine(new ReferenceBackend());
    const random = new Generator(3);
    const seen = new Set<number>();
    for (let trial = 0; trial < 50; trial++) {
      const logits = Float32Array.from({ length: 4 }, () => 4 * random.normal());
      const probabilities = await F.cornProbabilities(engine.tensor(logits, [1, 4])).data();
      const grade = gradeFromLogits(logits, true, 'mode');
      expect(grade).toBe(argmax(probabilities, 0, 5));
      expect(gradeFromLogits(logits, true, 'median')).toBe(decideGrade('median', probabilities));
      seen.add(grade);
      const plain = await F.softmax(engine.tensor(logits, [1, 4])).data();
      expect(gradeFromLogits(logits, false, 'mode')).toBe(argmax(logits, 0, 4));
      expect(gradeFromLogits(logits, false, 'median')).toBe(decideGrade('median', plain));
    }
    expect(seen.size).toBeGreaterThan(3);
  });
});

describe('the sums of an epoch', () => {
  const none = { right: 0, of: 0 };

  it('give the share of right grades, and nothing where none had a label', () => {
    const sums = new EpochSums();
    sums.add({}, 1, 2, { retinopathy: { right: 1, of: 2 }, edema: none });
    sums.add({}, 1, 2, { retinopathy: { right: 2, of: 2 }, edema: none });
    expect(sums.columns()).toMatchObject({ train_retinopathyAccuracy: 0.75, train_edemaAccuracy: Number.NaN });
    const resumed = new EpochSums();
    resumed.restore(sums.state());
    expect(resumed.columns()).toEqual(sums.columns());
    // A checkpoint from before grades were counted.
    const { grades: _, ...older } = sums.state();
    resumed.restore(older);
    expect(resumed.columns()).toMatchObject({ train_gateAccuracy: 0.5, train_retinopathyAccuracy: Number.NaN });
  });
});
