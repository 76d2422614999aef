/** `gmtl bench step --plan`: records a step without a device, plans it for a GPU, and shows its roofline. */
import { DEFAULT_LIMITS, type PlanTarget } from '../src/engine/gpu/kernel.ts';
import { DryBackend, DryRunEnd } from '../src/engine/ops/tapBackend.ts';
import { type DeviceSpec, planStep, type StepPlan } from '../src/engine/tuning/stepPlan.ts';
import { listStepCalls } from '../src/engine/tuning/stepCalls.ts';
import { formatTable } from '../src/retina/report/table.ts';
import type { BuildWorkload, StepWorkload } from './stepWorkload.ts';

/** What is known of a step without a device. */
export interface PlannedStep {
  readonly workload: Pick<StepWorkload, 'name' | 'batch' | 'size' | 'parameters'>;
  readonly device: DeviceSpec;
  readonly plan: StepPlan;
}

/** What plans may know of a GPU of that kind. */
function targetOf({ subgroupSize }: Pick<DeviceSpec, 'subgroupSize'>): PlanTarget {
  const features = new Set(['subgroups', 'shader-f16']);
  // A device is opened with the limits that its adapter has.
  const limits = {
    ...DEFAULT_LIMITS,
    maxStorageBufferBindingSize: 2 ** 31,
    maxBufferSize: 2 ** 31,
    maxStorageBuffersPerShaderStage: 16,
  };
  return { deviceClass: 'gpu', limits, features, subgroupSize };
}

/** Records one step of a workload by shapes alone and plans it for a device. */
export async function benchStepPlan(build: BuildWorkload, device: DeviceSpec): Promise<PlannedStep> {
  const { calls, backend } = listStepCalls(new DryBackend());
  const workload = await build(backend);
  calls.length = 0;
  try {
    await workload.run(0);
  } catch (error) {
    // A step ends by reading its loss, which a dry run does not have.
    if (!(error instanceof DryRunEnd)) throw error;
  } finally {
    workload.dispose();
  }
  return { workload, device, plan: planStep(calls, targetOf(device), device) };
}

const PROGRAMS_SHOWN = 24;
const KERNELS_SHOWN = 8;

/** The table for people. */
export function formatStepPlan({ workload, device, plan }: PlannedStep): string {
  const { total } = plan;
  const padding = (padded: number | null, flops: number): string =>
    padded === null || flops === 0 ? '' : (padded / flops).toFixed(2);
  const table = formatTable(
    [
      { header: 'program' },
      { header: 'n', digits: 0 },
      { header: 'dispatches', digits: 0 },
      { header: 'GFLOP', digits: 1 },
      { header: 'GB', digits: 3 },
      { header: 'padded', align: 'right' },
      { header: 'serial', digits: 0 },
      { header: 'bound ms', digits: 2 },
      { header: 'with starts', digits: 2 },
    ],
    plan.rows
      .slice(0, PROGRAMS_SHOWN)
      .map((row) => [
        row.program,
        row.count,
        row.dispatches,
        row.flops / 1e9,
        row.bytes / 1e9,
        padding(row.paddedFlops, row.flops),
        row.serialLoads,
        row.boundMs,
        row.floorMs,
      ]),
  );
  const kernels = plan.kernels.slice(0, KERNELS_SHOWN).map(([name, count]) => `${name} ${count}`);
  const lines: [string, string][] = [
    ['arithmetic', 'nothing below was measured, and no kernel reaches these bounds'],
    [
      'device',
      `${device.name}: ${device.source}; ${(device.secondsPerDispatch * 1e6).toFixed(0)} us per dispatch is assumed`,
    ],
    ['model', `${workload.name}; ${workload.parameters.toLocaleString('en')} parameters`],
    ['step', `${workload.batch} images of ${workload.size}x${workload.size}; forward, backward, update`],
    ['', ''],
    [
      'work',
      `${(total.flops / 1e9).toFixed(0)} GFLOP, ${(total.bytes / 1e9).toFixed(2)} GB, ${total.count} calls, ${total.dispatches} dispatches`,
    ],
    [
      'tiles',
      `${padding(total.paddedFlops, total.tiledFlops) || 'none'} times the operations of the products, past the ends included`,
    ],
    ['loads', `${total.serialLoads} that wait for one another at most in one thread`],
    ['buffers', `${(plan.largestBufferBytes / 1e6).toFixed(0)} MB the largest`],
    ['at best', `${total.boundMs.toFixed(2)} ms; ${total.floorMs.toFixed(2)} ms with the dispatches' starts`],
    ['dispatches', `${kernels.join(', ')}${plan.kernels.length > KERNELS_SHOWN ? ', …' : ''}`],
  ];
  const rest = plan.rows.length - PROGRAMS_SHOWN;
  return [
    ...lines.map(([name, text]) => `${name.padEnd(11)} ${text}`.trimEnd()),
    '',
    table,
    ...(rest > 0 ? [`… and ${rest} programs that need less.`] : []),
    'padded: operations of the tiles over those asked for; serial: loads of one thread that wait for one another;',
    'bound: the larger of arithmetic and bytes at the peaks; with starts: no call faster than its dispatches start.',
  ].join('\n');
}
