/**
 * Tier: any adapter. No kernel reads or writes outside a buffer or a workgroup's array: that is why the engine leaves Dawn's bounds checks out
 * (`disable_robustness`, src/engine/node/list.ts). Every index past the end is counted (outside.ts), in what software adapters and GPUs choose and for matrix units, with
 * wrong labels and indices too, and in whole steps of training with their replays. Of the smallest cases in float32 that together run every kernel in
 * every form, one in four is run, or one in eight of those for GPUs; and each that puts several subgroups into a workgroup, which walk rows together.
 * With GMTL_LONG_TESTS every case, version and storage format is, and private arrays and vectors count as well.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { classifierWorkload } from '../bench/stepClassifier.ts';
import { presetWorkload } from '../bench/stepPreset.ts';
import type { BuildWorkload } from '../bench/stepWorkload.ts';
import { canRun, type Snapshot, snapshots } from '../src/engine/check/snapshot.ts';
import { callsOf, fewestCases, kernelsReached, testCases } from '../src/engine/check/testCases.ts';
import { GpuDevice } from '../src/engine/gpu/device.ts';
import { BUFFER_USAGE } from '../src/engine/gpu/flags.ts';
import type { ShaderFiles } from '../src/engine/gpu/shaders.ts';
import { openAdapter } from '../src/engine/node/open.ts';
import { sleepingWait } from '../src/engine/node/sleepingWait.ts';
import type { Case, Op } from '../src/engine/ops/definition.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { ops } from '../src/engine/ops/index.ts';
import { type ProgramCall, storesHalf } from '../src/engine/ops/invocations.ts';
import { emulatedMatrices, MATRIX_VERSION, reportMatrices } from './emulatedMatrices.ts';
import { LONG_TESTS } from './long.ts';
import { countOutside } from './outside.ts';

const opened: GpuDevice[] = [];
afterAll(() => {
  for (const device of opened) device.destroy();
});

/** A device that counts, planned for as the class says. */
async function countingDevice(deviceClass: 'software' | 'gpu', isLocalCounted = LONG_TESTS, shaders?: ShaderFiles) {
  const { adapter, release } = await openAdapter();
  const options = { deviceClass, wait: sleepingWait, probe: false, onDestroy: release, ...(shaders && { shaders }) };
  const device = await GpuDevice.open(adapter, options);
  opened.push(device);
  return { device, backend: new GpuBackend(device), outside: countOutside(device.device, isLocalCounted) };
}

type Counting = Awaited<ReturnType<typeof countingDevice>>;
const software = await countingDevice('software');
const gpu = await countingDevice('gpu');
/** Of the kernels for matrix units, with matrices in plain WGSL. */
const matrices = await countingDevice('gpu', LONG_TESTS, emulatedMatrices);
reportMatrices(matrices.device, { m: 8, n: 8, k: 8, lanes: 8 });

/** The versions that a call is run in: with GMTL_LONG_TESTS all of its program's on software adapters, else the plan's choice. */
function versionsOf({ device }: Counting, call: ProgramCall): (string | undefined)[] {
  const runnable = (call.program.versions ?? [undefined]).filter((version) => canRun(device, call, version));
  if (device === matrices.device) return runnable.filter((version) => version === MATRIX_VERSION);
  return LONG_TESTS && device === software.device ? runnable : [undefined];
}

/** The kernels of workgroups of several subgroups, in the words of `kernelsReached`. */
const isShared = (kernels: string): boolean => /"SUBGROUPS":(?!1\b)/.test(kernels);

/** The cases that the header of this file names. */
function casesOf(on: Counting, op: Op): Case[] {
  const cases = testCases(op);
  if (LONG_TESTS) return cases.filter((each) => callsOf(op, each).some((call) => versionsOf(on, call).length > 0));
  const reached = (call: ProgramCall): string[] =>
    storesHalf(call) ? [] : versionsOf(on, call).map((version) => kernelsReached(on.device.target, call, version));
  const every = on === software ? 4 : 8;
  const reachedBy = (testCase: Case): string[] => callsOf(op, testCase).flatMap(reached);
  return fewestCases(cases, reachedBy).filter((each, at) => at % every === 0 || reachedBy(each).some(isShared));
}

/** Integers that are no index, label or count of anything, in turn. */
const ASTRAY = [-1, 2 ** 31 - 1, -(2 ** 31), 1_000_003, 7];

/** A call with its integers replaced: an index or a label that a caller got wrong must not reach memory either. Null where it has none. */
function astray(snapshot: Snapshot): Snapshot | null {
  if (!snapshot.inputs.some(({ dtype }) => dtype === 'i32' || dtype === 'u32')) return null;
  const data = snapshot.data.map((values, index) => {
    const { dtype } = snapshot.inputs[index];
    if (dtype !== 'i32' && dtype !== 'u32') return values;
    return Float64Array.from(values, (_, at) => (dtype === 'u32' ? ASTRAY[at % 5] >>> 0 : ASTRAY[at % 5]));
  });
  return { ...snapshot, data };
}

/** Runs a call in memory that ends where its tensors end, with nothing behind it. */
function run({ backend }: Counting, { program, attributes, ...call }: Snapshot, version: string | undefined): void {
  const inputs = call.inputs.map((spec, index) => {
    const value = backend.allocate(spec, 'input');
    backend.write(value, call.data[index]);
    return value;
  });
  const outputs = call.outputs.map((spec) => backend.allocate(spec, 'output'));
  backend.execute(program, inputs, outputs, attributes, version);
  for (const { storage } of [...inputs, ...outputs]) storage.release();
}

/** What was outside in all that ran since the last call. */
function takeOutside({ backend, outside }: Counting): Promise<string[]> {
  // Else the last dispatches are counted by the next case's call, or by none.
  backend.flush();
  return outside.take();
}

for (const [name, on] of [
  ['on software adapters', software],
  ['as planned for GPUs', gpu],
  ['on matrix units', matrices],
] as const) {
  const done = new Set<string>();
  const cases = ops.map((op) => [op.name, op, casesOf(on, op)] as const).filter(([, , { length }]) => length > 0);
  describe.each(cases)(`${name}: %s`, (_, op, tested) => {
    it.each(tested.map((each) => [each.name, each] as const))('%s', async (_name, testCase) => {
      for (const snapshot of snapshots(op, testCase)) {
        if (storesHalf(snapshot) && !on.device.target.features.has('shader-f16')) continue;
        for (const version of versionsOf(on, snapshot)) {
          const kernels = kernelsReached(on.device.target, snapshot, version);
          if (done.has(kernels) && !LONG_TESTS) continue;
          done.add(kernels);
          run(on, snapshot, version);
          const wrong = astray(snapshot);
          if (wrong) run(on, wrong, version);
        }
      }
      expect(await takeOutside(on)).toEqual([]);
    });
  });
}

const STEPS: { readonly name: string; readonly build: BuildWorkload; readonly isLong: boolean }[] = [
  {
    name: 'atto, three pictures',
    build: (backend) => classifierWorkload(backend, { variant: 'atto', batch: 3, size: 32, classes: 7 }),
    isLong: false,
  },
  { name: 'demo', build: (backend) => presetWorkload(backend, { preset: 'demo' }), isLong: false },
  ...['resnet-unet-small', 'idrid-joint'].map((preset) => ({
    name: preset,
    build: ((backend) => presetWorkload(backend, { preset, batch: 4, size: 64 })) as BuildWorkload,
    isLong: true,
  })),
];

describe.each(STEPS.filter(({ isLong }) => LONG_TESTS || !isLong))('a step of $name', ({ build }) => {
  it('and its replay stay inside', async () => {
    const workload = await build(software.backend);
    for (let step = 0; step < 3; step++) await workload.run(step);
    workload.dispose();
    expect(await takeOutside(software)).toEqual([]);
  });
});

it('counts what is outside a buffer, a private array and a vector', async () => {
  const { device: counting, outside } = await countingDevice('gpu', true);
  const { device } = counting;
  const module = device.createShaderModule({
    label: 'three arrays',
    code: `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
    struct Pair { values: array<f32, 2> }
    fn last(pair: ptr<function, Pair>, at: u32) -> f32 { return pair.values[at]; }
    @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) k: u32) {
      var pair = Pair(array<f32, 2>(1.0, 2.0));
      let four = 2.0 * vec4f(f32(k));
      out[k] = last(&pair, k) + four[select(0u, k, k == 7u)] + four.xy[1];
    }`,
  });
  const storage = device.createBuffer({ size: 24, usage: BUFFER_USAGE.STORAGE });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module } });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = [{ binding: 0, resource: { buffer: storage } }];
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  device.queue.submit([encoder.finish()]);
  expect(await outside.take()).toEqual([
    'three arrays: pair.values[at] was outside in 4 invocations',
    'three arrays: out[k] was outside in 1 invocations',
    'three arrays: four[select(0u, k, k == 7u)] was outside in 1 invocations',
  ]);
});
