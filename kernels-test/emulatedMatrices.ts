/** Runs the kernels for matrix units on adapters without them, with matrices in plain WGSL (matrixUnits.wgsl beside this file). */
import { readFileSync } from 'node:fs';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import type { MatrixShape } from '../src/engine/gpu/kernel.ts';
import { packagedShaders, type ShaderFiles } from '../src/engine/gpu/shaders.ts';

/** The version of a program that uses matrix units. */
export const MATRIX_VERSION = 'subgroupMatrix';

/** The package's shaders, with those for matrix units changed to run without them. */
export const emulatedMatrices: ShaderFiles = (path) => {
  const name = path === 'common/matrixUnits.wgsl' ? new URL('matrixUnits.wgsl', import.meta.url) : null;
  // The lanes of these tests need not be what the adapter has.
  const text = name ? readFileSync(name, 'utf8') : packagedShaders(path.replace('subgroupSized', 'subgroup'));
  return text
    .replace('enable chromium_experimental_subgroup_matrix;', '')
    .replace('diagnostic(off, chromium.subgroup_matrix_uniformity);', '');
};

/** Has a device that was opened with {@link emulatedMatrices} report matrix units of that form, for both types of operands. */
export function reportMatrices(device: GpuDevice, shape: MatrixShape): void {
  Object.assign(device, { target: { ...device.target, subgroupMatrix: { f16: shape, f32: shape } } });
}
