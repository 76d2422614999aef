/** The registry: every op, one line each. Tests and benchmarks walk it; see definition.ts for what an op says of itself. */
import { accumulate } from './accumulate/op.ts';
import { add, div, mul, sub } from './binary/op.ts';
import type { Op } from './definition.ts';
import { expand } from './movement/expand.ts';
import { mean, sum } from './reduce/op.ts';
import { unaryOps } from './unary/op.ts';

export const ops: readonly Op[] = [
  accumulate,
  // elementwise
  ...Object.values(unaryOps),
  add,
  sub,
  mul,
  div,
  // reductions
  sum,
  mean,
  // movement
  expand,
];
