/** Compares one version of a program with its float64 reference, on a device. */
import type { GpuDevice } from '../gpu/device.ts';
import { type Case, SUM_TOLERANCE } from '../ops/definition.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { mismatch } from './difference.ts';
import { execute, sameBits } from './execute.ts';
import { referenceOf, type Snapshot, writtenSpecs } from './snapshot.ts';

/**
 * Runs a call twice on the device, in one version, and compares it with the float64 reference; see `execute`.
 * @returns what is wrong, in words: results out of tolerance or unwritten, writes past an end, two runs that differ.
 */
export async function checkVersion(
  device: GpuDevice,
  snapshot: Snapshot,
  { tolerance = SUM_TOLERANCE }: Pick<Case, 'tolerance'>,
  version: string | undefined,
): Promise<string[]> {
  const backend = new GpuBackend(device);
  const specs = writtenSpecs(snapshot);
  const wanted = referenceOf(snapshot);
  const first = await execute(backend, snapshot, version);
  const second = await execute(backend, snapshot, version);
  const label = `${snapshot.program.name}${version ? ` (${version})` : ''}`;
  return first.flatMap((result, index) => {
    const problems: string[] = [];
    const problem = mismatch(result.numbers, wanted[index], specs[index].dtype, tolerance);
    if (problem) problems.push(`${label} output ${index}: ${problem}`);
    if (!result.guardIntact) problems.push(`${label} output ${index}: wrote past its end`);
    if (!sameBits(result, second[index])) problems.push(`${label} output ${index}: two runs differ`);
    return problems;
  });
}
