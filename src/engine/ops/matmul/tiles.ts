/** The tiles of products on GPUs, and which suit a product: by the work of the multiprocessor that has most. It follows from sizes; no GPU was measured. */
import type { KernelDefinition } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { ceilDiv } from '../../tensor/shape.ts';
import { MULTIPROCESSORS } from '../rounds.ts';
import type { MatmulGeometry } from './geometry.ts';

export const tileKernel = kernel('matmul/tile');
export const tileTransposedKernel = kernel('matmul/tileTransposed');

/** A kernel and the outputs one workgroup of it owns. */
export interface TiledKernel {
  readonly kernel: KernelDefinition;
  readonly rows: number;
  readonly columns: number;
  /** Of a workgroup, where GPUs run it. */
  readonly threads: number;
  readonly constants?: Readonly<Record<string, number>>;
  /** Takes an operand through gelu as it brings it: `a` where that is stored [m, k], b beside an `a` stored [k, m]. */
  readonly appliesGelu?: boolean;
}

/** The kernels of a version for `a` stored [m, k] and [k, m]. */
export interface Variant {
  readonly straight: TiledKernel;
  readonly transposed: TiledKernel;
}

/**
 * The outputs of a workgroup, 64 per thread, and what one costs per k: the vector instructions of the loop per multiply-add (RADV, navi31:
 * 1.06 to 1.09) and, since smaller tiles read more, 1.6 for each byte brought per multiply-add (an assumption).
 */
interface TileForm {
  readonly rows: number;
  readonly columns: number;
  readonly cost: number;
}

const LARGE: readonly TileForm[] = [
  { rows: 128, columns: 128, cost: 1.16 },
  { rows: 128, columns: 96, cost: 1.2 },
  { rows: 128, columns: 64, cost: 1.23 },
];
const LARGE_TRANSPOSED: readonly TileForm[] = [
  { rows: 128, columns: 128, cost: 1.14 },
  { rows: 128, columns: 96, cost: 1.19 },
  { rows: 96, columns: 128, cost: 1.19 },
];
const SMALL: TileForm = { rows: 64, columns: 64, cost: 1.29 };

const threadsOf = ({ rows, columns }: TileForm): number => (rows * columns) / 64;

const tilesOf = ({ rows, columns }: TileForm, { m, n }: MatmulGeometry): number =>
  ceilDiv(m, rows) * ceilDiv(n, columns);

/** Threads that a multiprocessor needs to be busy: with fewer it is not done sooner. */
const FEWEST_THREADS = 128;

/** What the multiprocessor with most workgroups has to do. */
function longest(form: TileForm, geometry: MatmulGeometry): number {
  const workgroups = ceilDiv(geometry.batch * tilesOf(form, geometry), MULTIPROCESSORS);
  return Math.max(workgroups * threadsOf(form), FEWEST_THREADS) * form.cost;
}

/** The form by which all multiprocessors have least to do, outputs past the ends included. */
function least(forms: readonly TileForm[], geometry: MatmulGeometry): TileForm {
  const inAll = (form: TileForm): number => tilesOf(form, geometry) * threadsOf(form) * form.cost;
  return forms.reduce((best, form) => (inAll(form) < inAll(best) ? form : best));
}

const straight = (form: TileForm): TiledKernel => {
  const { rows, columns } = form;
  return {
    kernel: tileKernel,
    rows,
    columns,
    threads: threadsOf(form),
    constants: { ROWS: rows, COLUMNS: columns / 4 },
    appliesGelu: true,
  };
};

const transposed = (form: TileForm): TiledKernel => {
  const { rows, columns } = form;
  const constants = { ROWS: rows / 4, COLUMNS: columns / 4 };
  return { kernel: tileTransposedKernel, rows, columns, threads: threadsOf(form), constants, appliesGelu: true };
};

/** For few outputs, and for rows that are not whole groups of four. */
export const smallTiles: Variant = { straight: straight(SMALL), transposed: transposed(SMALL) };

/** Those that take least in all. */
export function tilesFor(geometry: MatmulGeometry): Variant {
  if (geometry.n % 4 !== 0) return smallTiles;
  return {
    straight: straight(least(LARGE, geometry)),
    transposed: transposed(least([...LARGE_TRANSPOSED, SMALL], geometry)),
  };
}

/**
 * Whether small tiles take less time: few large ones leave multiprocessors idle in the last round. The k axis of a transposed `a` is cut into
 * whole rounds instead.
 */
export function smallIsFaster(geometry: MatmulGeometry): boolean {
  if (geometry.m <= SMALL.rows) return true;
  return !geometry.transposeA && longest(SMALL, geometry) < longest(least(LARGE, geometry), geometry);
}
