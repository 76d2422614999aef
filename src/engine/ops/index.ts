/** The registry: every op, one line each. Tests and benchmarks walk it; see definition.ts for what an op says of itself. */
import { accumulate } from './accumulate/op.ts';
import { batchNorm } from './batchNorm/op.ts';
import { bceWithLogits } from './bceWithLogits/op.ts';
import { add, div, equal, less, lessEqual, mul, sub } from './binary/op.ts';
import { conv2d } from './conv2d/op.ts';
import { convTranspose2d } from './convTranspose2d/op.ts';
import { corn } from './corn/op.ts';
import type { Op } from './definition.ts';
import { depthwiseConv2d } from './depthwiseConv2d/op.ts';
import { crossEntropy } from './crossEntropy/op.ts';
import { entropy } from './entropy/op.ts';
import { dropout, dropPath } from './dropout/op.ts';
import { gather } from './gather/op.ts';
import { layerNorm } from './layerNorm/op.ts';
import { layerScale, scaleResidual } from './layerScale/op.ts';
import { maskLoss } from './maskLoss/op.ts';
import { matmul } from './matmul/op.ts';
import { movementOps } from './movement/op.ts';
import { optimizerOps, productOps } from './optimizer/op.ts';
import { avgPool2d, maxPool2d } from './pool/op.ts';
import { max, mean, sum } from './reduce/op.ts';
import { residualMlp } from './residualMlp/op.ts';
import { softDice } from './softDice/op.ts';
import { logSoftmax, softmax } from './softmax/op.ts';
import { unaryOps } from './unary/op.ts';
import { upsampleBilinear2d, upsampleNearest2d } from './upsample/op.ts';
import { where } from './where/op.ts';

/** The registry: every op. Tests, benchmarks and tuning walk it. */
export const ops: readonly Op[] = [
  accumulate,
  // elementwise
  ...Object.values(unaryOps),
  add,
  sub,
  mul,
  div,
  equal,
  less,
  lessEqual,
  where,
  // products
  matmul,
  residualMlp,
  // convolutions
  conv2d,
  depthwiseConv2d,
  convTranspose2d,
  // reductions
  sum,
  mean,
  max,
  // pooling
  maxPool2d,
  avgPool2d,
  // resizing
  upsampleNearest2d,
  upsampleBilinear2d,
  // scaling and dropping
  layerScale,
  scaleResidual,
  dropout,
  dropPath,
  // movement
  ...movementOps,
  gather,
  // normalization
  layerNorm,
  batchNorm,
  softmax,
  logSoftmax,
  // losses
  crossEntropy,
  corn,
  bceWithLogits,
  softDice,
  maskLoss,
  entropy,
  // optimizer steps
  ...optimizerOps,
  ...productOps,
];
