/** Kinds of values that several sections of the configuration have. */
import { z } from 'zod';

export const positiveInt = z.int().min(1);
export const probability = z.number().min(0).max(1);
export const weight = z.number().min(0);
export const four = (description: string) =>
  z.tuple([positiveInt, positiveInt, positiveInt, positiveInt]).describe(description);
