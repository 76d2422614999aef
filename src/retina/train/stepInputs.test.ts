/** Tier: no adapter. What a step's inputs refuse. */
import { afterAll, expect, it } from 'vitest';
import { Engine } from '../../engine/autograd/engine.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { arrange } from '../network/routing.ts';
import { StepInputs } from './stepInputs.ts';
import { makeBatch } from './testsupport.ts';

const engine = new Engine(new ReferenceBackend());
afterAll(() => engine.backend.destroy());

it('a label that is not a grade is an error that names row, picture and label', () => {
  const batch = makeBatch(1, 3);
  const arranged = arrange(batch, 'supervised');
  const inputs = new StepInputs(engine, batch, arranged.routes, { gumbel: false });
  inputs.write(batch, arranged);
  for (const [task, label] of [
    ['retinopathy', 5],
    ['edema', 3],
    ['retinopathy', -2],
  ] as const) {
    const wrong = { ...batch, [task]: batch[task].with(2, label) };
    expect(() => inputs.write(wrong, arranged)).toThrow(
      new RegExp(`row 2 of a batch \\(.*\\) has the ${task} grade ${label}`),
    );
  }
  inputs.dispose();
});
