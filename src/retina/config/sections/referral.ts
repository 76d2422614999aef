/** Knobs of the decision whether an eye is referred. */
import { z } from 'zod';

export const referral = z.strictObject({
  retinopathy: z
    .int()
    .min(1)
    .max(4)
    .nullable()
    .default(2)
    .describe('Least retinopathy grade that is referred (moderate and worse); null: retinopathy does not count.'),
  edema: z
    .int()
    .min(1)
    .max(2)
    .nullable()
    .default(1)
    .describe('Least risk of macular edema that is referred (any hard exudates); null: edema does not count.'),
  sensitivity: z
    .number()
    .gt(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe(
      'Sensitivity that the operating point is to reach on the validation pictures; null: 0.9, or what specificity says.',
    ),
  specificity: z
    .number()
    .gt(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe('Specificity that it is to reach instead; null: it goes by sensitivity.'),
  coverage: z
    .number()
    .gt(0)
    .max(1)
    .default(0.9)
    .describe(
      'Share of the validation pictures that are decided on; scores nearer to the operating point are "not sure". 1: all.',
    ),
  error: z
    .number()
    .gt(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe(
      'Instead of coverage: as many are decided on as keep the share of wrong decisions below this, with 95 % confidence.',
    ),
});
