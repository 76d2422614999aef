/** Holds everything that a case of an op executes, forward and backward and in every version, against the float64 references. */
import type { GpuDevice } from '../gpu/device.ts';
import type { Case, Op } from '../ops/definition.ts';
import { storesHalf } from '../ops/invocations.ts';
import { checkVersion } from './checkVersion.ts';
import { canRun, snapshots } from './snapshot.ts';

/** What came of a case. */
export interface CheckedCase {
  /** `program version` of every version that ran. */
  readonly checked: readonly string[];
  /** … and of those that this adapter cannot run (they need subgroups or matrix units that it lacks). */
  readonly lacking: readonly string[];
  /** What is wrong, in words; see `checkVersion`. */
  readonly problems: readonly string[];
  /** Why nothing ran; null where something did. */
  readonly skipped: string | null;
}

/** @throws GmtlError what the device reports: a kernel that does not compile, a device that is lost. */
export async function checkCase(device: GpuDevice, op: Op, testCase: Case): Promise<CheckedCase> {
  const taken = snapshots(op, testCase);
  if (taken.some(storesHalf) && !device.target.features.has('shader-f16')) {
    return { checked: [], lacking: [], problems: [], skipped: `${device.name} has no shader-f16` };
  }
  const checked: string[] = [];
  const lacking: string[] = [];
  const problems: string[] = [];
  for (const snapshot of taken) {
    const { program } = snapshot;
    for (const version of program.versions ?? [undefined]) {
      const name = version === undefined ? program.name : `${program.name} ${version}`;
      if (!canRun(device, snapshot, version)) {
        lacking.push(name);
        continue;
      }
      checked.push(name);
      problems.push(...(await checkVersion(device, snapshot, testCase, version)));
    }
  }
  return { checked, lacking, problems, skipped: null };
}
