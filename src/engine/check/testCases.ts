/** Which cases of an op its kernels are tested on. */
import type { Case, Op } from '../ops/definition.ts';
import { halfCase } from '../ops/storage.ts';

/** An op's cases for tests, and the same cases in float16 where the op can store that. */
export function testCases(op: Op): Case[] {
  return op.cases
    .filter(({ purpose }) => purpose.includes('test'))
    .flatMap((single) => [single, halfCase(op, single) ?? []].flat());
}
