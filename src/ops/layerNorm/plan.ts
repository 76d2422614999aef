import {
  type BufferReference,
  type Dispatch,
  foldGrid,
  gridFor,
  type KernelDefinition,
  type Plan,
  type PlanTarget,
} from '../../gpu/kernel.ts';

/** The versions of the row-wise programs, simplest first. */
export const ROW_VERSIONS = ['rows', 'vec4', 'workgroup'] as const;

/** Rows that a workgroup of the 'workgroup' version owns (shaders/common/rowSum.wgsl). */
const ROWS_PER_WORKGROUP = 8;

/** Threads of the row-wise versions: enough for both cores of a software adapter; on a GPU a thread a row. */
const SOFTWARE_THREADS = 512;

/** A row-wise dispatch in one of `ROW_VERSIONS`; null where the version cannot serve this number of columns. */
export function planRows(
  kernels: Readonly<Record<(typeof ROW_VERSIONS)[number], KernelDefinition>>,
  buffers: Readonly<Record<string, BufferReference>>,
  rows: number,
  columns: number,
  uniforms: Readonly<Record<string, number>>,
  target: PlanTarget,
  version: string | undefined,
): Plan | null {
  const aligned = columns % 4 === 0;
  const software = target.deviceClass === 'software';
  const chosen = version ?? (software ? (aligned ? 'vec4' : 'rows') : 'workgroup');
  const workgroups = gridFor(software ? Math.min(rows, SOFTWARE_THREADS) : rows, 64);
  const stride = workgroups[0] * workgroups[1] * 64;
  const dispatch = (own: Pick<Dispatch, 'kernel' | 'uniforms' | 'workgroups'>): Plan => ({
    dispatches: [{ ...own, buffers, uniforms: { rows, ...own.uniforms, ...uniforms } }],
  });
  switch (chosen) {
    case 'rows':
      return dispatch({ kernel: kernels.rows, uniforms: { columns, stride }, workgroups });
    case 'vec4':
      return aligned ? dispatch({ kernel: kernels.vec4, uniforms: { groups: columns / 4, stride }, workgroups }) : null;
    case 'workgroup':
      return dispatch({
        kernel: kernels.workgroup,
        uniforms: { columns },
        workgroups: foldGrid(Math.ceil(rows / ROWS_PER_WORKGROUP)),
      });
    default:
      return null;
  }
}
