/** Tier: no adapter. docs/predictions.schema.json is the schema of the tables' rows, written out. After a change: `npx vitest run docs -u`. */
import { expect, it } from 'vitest';
import { predictionsJsonSchema } from '../src/retina/predict/predictionRow.ts';

it('predictions.schema.json states every column with its type and what it says', async () => {
  await expect(`${JSON.stringify(predictionsJsonSchema(), null, 2)}\n`).toMatchFileSnapshot('predictions.schema.json');
});
