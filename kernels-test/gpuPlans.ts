/**
 * The plans that programs make for GPUs, run on the adapter at hand: other versions, more workgroups, sums shared by workgroups. kernels.test.ts runs
 * what the adapter's own class would choose; every default plan for a GPU that differs from that one is held against the same float64 reference, on
 * the same device, which has most of its kernels compiled.
 */
import { checkVersion } from '../src/engine/check/checkVersion.ts';
import { snapshots } from '../src/engine/check/snapshot.ts';
import { callsOf, fewestCases, kernelsReached, testCases } from '../src/engine/check/testCases.ts';
import { GpuDevice } from '../src/engine/gpu/device.ts';
import type { Plan, PlanTarget } from '../src/engine/gpu/kernel.ts';
import { openAdapter } from '../src/engine/node/open.ts';
import type { Case, Op } from '../src/engine/ops/definition.ts';
import { type ProgramCall, storesHalf } from '../src/engine/ops/invocations.ts';
import { testDevice } from './device.ts';
import { LONG_TESTS } from './long.ts';

/** What is planned for where the adapter at hand is taken for a GPU's. */
async function gpuTarget(): Promise<PlanTarget> {
  // Opened first: it holds Dawn's instance, of which a process should make one alone.
  await testDevice();
  const { adapter, release } = await openAdapter();
  const device = await GpuDevice.open(adapter, { deviceClass: 'gpu', onDestroy: release });
  device.destroy();
  return device.target;
}

const gpu = await gpuTarget();
const software: PlanTarget = { ...gpu, deviceClass: 'software' };

/** The default, and the version of subgroups that walk rows: with SwiftShader's four lanes it is never the default. */
const VERSIONS = [undefined, 'lanes'];

function planOf(call: ProgramCall, version: string | undefined, target: PlanTarget): Plan | null {
  const { program, inputs, outputs, attributes } = call;
  if (version !== undefined && !program.versions?.includes(version)) return null;
  return program.plan(inputs, outputs, attributes, target, version);
}

/** The versions in which a call is planned otherwise for GPUs. */
const differing = (call: ProgramCall): (string | undefined)[] =>
  VERSIONS.filter(
    (version) => JSON.stringify(planOf(call, version, gpu)) !== JSON.stringify(planOf(call, version, software)),
  );

/** A call's program and the kernels of its plan for GPUs. */
const planned = (call: ProgramCall, version: string | undefined): string => kernelsReached(gpu, call, version);

/** The smallest cases that together run every set of kernels; all with GMTL_LONG_TESTS. Of some ops every plan is the same on all devices. */
export function gpuPlannedCases(op: Op): Case[] {
  const reached = (testCase: Case): string[] =>
    callsOf(op, testCase).flatMap((call) => differing(call).map((version) => planned(call, version)));
  return LONG_TESTS ? testCases(op) : fewestCases(testCases(op), reached);
}

/** The sets of kernels that were checked. */
export const checkedPlans = new Set<string>();

/** What is wrong with a case as it is planned for GPUs, in words; null where it stores float16, which the device has not. */
export async function gpuPlanProblems(device: GpuDevice, op: Op, testCase: Case): Promise<string[] | null> {
  const taken = snapshots(op, testCase);
  if (taken.some(storesHalf) && !device.target.features.has('shader-f16')) return null;
  const { target } = device;
  const problems: string[] = [];
  Object.assign(device, { target: gpu });
  try {
    for (const snapshot of taken) {
      for (const version of differing(snapshot)) {
        const kernels = planned(snapshot, version);
        if (checkedPlans.has(kernels) && !LONG_TESTS) continue;
        checkedPlans.add(kernels);
        problems.push(...(await checkVersion(device, snapshot, testCase, version)));
      }
    }
  } finally {
    Object.assign(device, { target });
  }
  return problems;
}
