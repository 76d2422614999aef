/**
 * Tier: any adapter. The kernels for matrix units, tested on adapters without them in two halves: their index arithmetic here, by running
 * them with matrices in plain WGSL (matrixUnits.wgsl beside this file) against the references; whether Dawn accepts them in
 * subgroupMatrixCompile.test.ts. Where the adapter has matrix units, kernels.test.ts runs them unchanged.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GpuDevice } from '../src/engine/gpu/device.ts';
import { openAdapter } from '../src/engine/node/open.ts';
import type { MatrixShape } from '../src/engine/gpu/kernel.ts';
import type { Op } from '../src/engine/ops/definition.ts';
import { ops } from '../src/engine/ops/index.ts';
import { canRun, snapshots } from '../src/engine/check/snapshot.ts';
import { checkVersion } from '../src/engine/check/checkVersion.ts';
import { storesHalf } from '../src/engine/ops/invocations.ts';
import { testCases } from '../src/engine/check/testCases.ts';
import { emulatedMatrices, MATRIX_VERSION, reportMatrices } from './emulatedMatrices.ts';
import { LONG_TESTS } from './long.ts';

/** A software device that reports matrix units of that form, for both types of operands. */
async function deviceOf(shape: MatrixShape): Promise<GpuDevice> {
  const opened = await openAdapter();
  const device = await GpuDevice.open(opened.adapter, {
    deviceClass: 'software',
    shaders: emulatedMatrices,
    onDestroy: () => opened.release(),
  });
  reportMatrices(device, shape);
  return device;
}

const programsOf = (op: Op) => [op.forward, ...(op.inference ? [op.inference] : []), ...(op.programs ?? [])];
const products = ops.filter((op) => programsOf(op).some(({ versions }) => versions?.includes(MATRIX_VERSION)));

/**
 * Lavapipe has subgroups of those eight lanes; SwiftShader's have four, so that half of them only bring and store.
 *
 * A case costs a compilation with each form, and cases share the arithmetic of tiles: one in twelve with the first form, one in forty-eight with the
 * other, and the one case of each inference; with GMTL_LONG_TESTS all with the first, one in three with the other.
 */
const FORMS: readonly { readonly shape: MatrixShape; readonly every: number }[] = [
  { shape: { m: 8, n: 8, k: 8, lanes: 8 }, every: LONG_TESTS ? 1 : 12 },
  { shape: { m: 16, n: 8, k: 16, lanes: 8 }, every: LONG_TESTS ? 3 : 48 },
];

describe.each(FORMS)('matrices of $shape.m x $shape.n x $shape.k, $shape.lanes lanes', ({ shape, every }) => {
  let device: GpuDevice;
  beforeAll(async () => {
    device = await deviceOf(shape);
  });
  afterAll(() => device.destroy());

  const checked = new Set<string>();
  for (const op of products) {
    for (const testCase of testCases(op).filter(
      ({ name }, index) => index % every === 0 || name.startsWith('no gradient'),
    )) {
      it(`${op.name}: ${testCase.name}`, async ({ skip }) => {
        const taken = snapshots(op, testCase).filter(({ program }) => program.versions?.includes(MATRIX_VERSION));
        if (taken.some(storesHalf) && !device.target.features.has('shader-f16'))
          skip(`${device.name} has no shader-f16`);
        const able = taken.filter((snapshot) => canRun(device, snapshot, MATRIX_VERSION));
        if (able.length === 0) skip('grouped: no matrix product');
        const problems: string[] = [];
        for (const snapshot of able) {
          checked.add(snapshot.program.name);
          problems.push(...(await checkVersion(device, snapshot, testCase, MATRIX_VERSION)));
        }
        expect(problems).toEqual([]);
      });
    }
  }

  it.runIf(shape === FORMS[0].shape)('were tried in every program that has a version for them', () => {
    const wanted = products
      .flatMap(programsOf)
      .flatMap(({ name, versions }) => (versions?.includes(MATRIX_VERSION) ? name : []));
    expect([...checked].sort()).toEqual([...new Set(wanted)].sort());
  });
});
