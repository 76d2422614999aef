/** What an adapter's matrix units take, from Dawn's list of their forms (chromium_experimental_subgroup_matrix). */
import type { MatrixShape, PlanTarget, StorageFormat, SubgroupMatrixShapes } from './kernel.ts';

/** One form of product, left [M, K] times right [K, N], as Dawn lists it in an adapter's info. */
export interface SubgroupMatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** Depth of the part of the k axis that a workgroup holds at a time: what fits 16 KiB of workgroup memory (shaders/common/matrixTile.wgsl). */
const MATRIX_DEPTH = { f16: 32, f32: 16 } as const;

/** Sides of a form that divide a subgroup's 32 x 32 outputs; `MOST_RESULTS` lets one result of each of four subgroups fit workgroup memory. */
const SIDES: readonly number[] = [8, 16, 32];
const MOST_RESULTS = 256;
/** Subgroup sizes of which four fit the 256 threads that every device grants. D3D12, which reports 128 for every adapter, is excluded. */
const LANES: readonly number[] = [4, 8, 16, 32, 64];

/** The constants of the kernels for matrix units (shaders/common/matrixTile.wgsl). */
export type MatrixConstants = Readonly<Record<'MATRIX_M' | 'MATRIX_N' | 'MATRIX_K' | 'LANES' | 'DEPTH', number>>;

/** What those kernels are compiled with on a target, for operands of that storage; null where it has no matrix units for them. */
export function matrixConstants(target: PlanTarget, storage: StorageFormat): MatrixConstants | null {
  const type = storage ?? 'f32';
  const shape = target.subgroupMatrix?.[type];
  if (!shape) return null;
  const { m, n, k, lanes } = shape;
  return { MATRIX_M: m, MATRIX_N: n, MATRIX_K: k, LANES: lanes, DEPTH: MATRIX_DEPTH[type] };
}

/** Whether the kernels can use a form. */
function usable({ componentType, resultComponentType, M, N, K }: SubgroupMatrixConfig): boolean {
  if (componentType !== 'f16' && componentType !== 'f32') return false;
  return (
    resultComponentType === 'f32' &&
    SIDES.includes(M) &&
    SIDES.includes(N) &&
    M * N <= MOST_RESULTS &&
    MATRIX_DEPTH[componentType] % K === 0
  );
}

/** The largest usable form of each type; among equals the first, which the driver prefers. */
export function matrixShapes(configs: Iterable<SubgroupMatrixConfig>, lanes: number): SubgroupMatrixShapes | undefined {
  if (!LANES.includes(lanes)) return undefined;
  const best: { f16?: MatrixShape; f32?: MatrixShape } = {};
  for (const config of configs) {
    if (!usable(config)) continue;
    const { M: m, N: n, K: k } = config;
    const type = config.componentType === 'f16' ? 'f16' : 'f32';
    const known = best[type];
    if (!known || m * n * k > known.m * known.n * known.k) best[type] = { m, n, k, lanes };
  }
  return best.f16 || best.f32 ? best : undefined;
}
