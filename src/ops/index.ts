/** The registry: every op, one line each. Tests and benchmarks walk it; see definition.ts for what an op says of itself. */
import { accumulate } from './accumulate/op.ts';
import { add, div, mul, sub } from './binary/op.ts';
import { conv2d } from './conv2d/op.ts';
import { convTranspose2d } from './convTranspose2d/op.ts';
import type { Op } from './definition.ts';
import { depthwiseConv2d } from './depthwiseConv2d/op.ts';
import { layerNorm } from './layerNorm/op.ts';
import { matmul } from './matmul/op.ts';
import { movementOps } from './movement/index.ts';
import { optimizerOps } from './optimizer/op.ts';
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
  // products
  matmul,
  // convolutions
  conv2d,
  depthwiseConv2d,
  convTranspose2d,
  // reductions
  sum,
  mean,
  // movement
  ...movementOps,
  // normalisation
  layerNorm,
  // optimiser steps
  ...optimizerOps,
];
