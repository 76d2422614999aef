/** What a plan costs a GPU as arithmetic alone: operations of its tiles past the ends, and loads of one thread that wait for one another. */
import type { Dispatch } from '../gpu/kernel.ts';
import { ceilDiv } from '../tensor/shape.ts';

/** Outputs of a tile of 64 x 64. */
const SMALL_TILE = 64 * 64;

/**
 * Operations that the workgroups of a matrix product for GPUs execute, those of tiles past the ends included (a multiply-add counts two);
 * null for kernels without tiles.
 */
export function paddedFlops({ kernel, uniforms: u, constants = {} }: Dispatch): number | null {
  const covered = (extent: number, tile: number): number => ceilDiv(extent, tile) * tile;
  const product = (rows: number, columns: number): number =>
    2 * covered(u.m, rows) * covered(u.n, columns) * u.k * (u.split === 1 ? 1 : u.slices);
  switch (kernel.name) {
    case 'matmul/subgroupMatrix':
    case 'matmul/subgroupMatrixTransposed':
      return product(64, 64);
    case 'matmul/tile':
      return product(constants.ROWS, 4 * constants.COLUMNS);
    case 'matmul/tileTransposed':
      return product(4 * constants.ROWS, 4 * constants.COLUMNS);
    case 'conv2d/gatherTile':
    case 'conv2d/gatherMatrix': {
      const tiled = kernel.name === 'conv2d/gatherTile';
      const depth = covered(4 * u.fromChannels4, tiled ? 8 : constants.DEPTH);
      const taps = (u.kernelHeight * u.kernelWidth) / (u.divideY * u.divideX);
      return 2 * u.workgroups * (tiled ? constants.PIXELS * constants.COLUMNS * 4 : SMALL_TILE) * depth * taps;
    }
    case 'conv2d/gradWeightTile':
      return 2 * u.rows * u.columns * 16 * constants.ROWS * constants.COLUMNS * u.pixels;
    case 'conv2d/gradWeightMatrix':
      return 2 * u.rows * u.columns * SMALL_TILE * u.pixels;
    default:
      return null;
  }
}

type Uniforms = Dispatch['uniforms'];
type Overrides = NonNullable<Dispatch['overrides']>;

/** Lanes of the workgroups of common/columnTree.wgsl. */
const LANES = 256;

/** Of optimizer/squaresTree and its like, over that many tensors. */
const treeTurns = (u: Uniforms, tensors: number): number =>
  Math.max(
    ...Array.from({ length: tensors }, (_, k) => (u[`count${k}`] > 0 ? u[`size${k}`] / 64 / u[`count${k}`] : 0)),
  );

/**
 * Turns of the loops in which a thread waits for loads, by kernel; loads that are under way together count once. Kernels of which each thread
 * loads a fixed number of times (elementwise, movement), and products, whose tiles have many loads under way, are left out.
 */
const TURNS: Readonly<Record<string, (u: Uniforms, overrides: Overrides) => number>> = {
  'batchNorm/stats': ({ rows, chunks }) => rows / chunks,
  'batchNorm/gradSums': ({ rows, chunks }) => rows / chunks,
  'batchNorm/statsTree': ({ rows, chunks }, { COLUMNS }) => (rows * COLUMNS) / (LANES * chunks * 4),
  'batchNorm/gradSumsTree': ({ rows, chunks }, { COLUMNS }) => (rows * COLUMNS) / (LANES * chunks * 2),
  'batchNorm/finish': ({ chunks }) => 2 * chunks,
  'batchNorm/finishTree': ({ chunks }) => chunks / 32,
  'reduce/sum': ({ extent, chunks }) => extent / chunks,
  'reduce/max': ({ extent, chunks }) => extent / chunks,
  'reduce/sumPair': ({ extent }) => extent,
  'reduce/sumTree': ({ extent, chunks }, { COLUMNS }) => (extent * COLUMNS) / (LANES * chunks * 4),
  'reduce/sumPairTree': ({ extent }, { COLUMNS }) => (extent * COLUMNS) / (LANES * 4),
  // Of a tile a thread loads its pixels at once, then four rows of the gradient one after another.
  'depthwiseConv2d/gradWeightTile': ({ tiles, chunks }) => 5 * ceilDiv(tiles, chunks),
  'residualMlp/finishProjection': ({ hidden, slices }, { WIDTH }) => ceilDiv(hidden, WIDTH) * slices + slices,
  'layerNorm/forwardLanes': ({ rows, stride }) => rows / stride,
  'layerNorm/backwardLanes': ({ rows, stride }) => rows / stride,
  'layerNorm/gradParameters': ({ rows, chunks }) => rows / chunks,
  'layerScale/gradGamma': ({ rows, chunks }) => rows / chunks,
  'optimizer/squares': (u) =>
    Array.from({ length: 7 }, (_, k) => (u[`count${k}`] > 0 ? u[`size${k}`] / 4 / u[`count${k}`] : 0)).reduce(
      (sum, turns) => sum + turns,
    ),
  'optimizer/squaresTree': (u) => treeTurns(u, 7),
  'optimizer/squaresTree14': (u) => treeTurns(u, 14),
  'optimizer/guard': ({ count }, { WIDTH }) => count / (4 * WIDTH),
  'optimizer/dotTotals': ({ count }) => count / 64,
  'loss/finish': ({ count }) => count / 64,
  'maskLoss/partial': ({ perSample, threads }) => perSample / threads,
  'maskLoss/finish': ({ samples, rows, channels, perSample, flatten }) =>
    (perSample === 1 ? 1 : samples) * rows * (flatten === 1 ? channels : 1) + (samples * rows * channels) / 64,
  'softDice/partial': ({ perSample, threads }) => perSample / threads,
};

/** Loads of one thread that wait for one another, as the kernels' loops have them; 1 where a kernel has no such loop. */
export function serialLoads({ kernel, uniforms, overrides = {} }: Dispatch): number {
  const turns = TURNS[kernel.name]?.(uniforms, overrides);
  return turns === undefined ? 1 : Math.max(1, Math.ceil(turns));
}
