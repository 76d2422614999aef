/** `gmtl bench step`: times a whole training step, program by program. */
import type { Argv, CommandModule } from 'yargs';
import { benchStep } from '../bench/step.ts';
import { CLASSIFIER_VARIANTS, classifierWorkload, isVariant } from '../bench/stepClassifier.ts';
import { presetWorkload } from '../bench/stepPreset.ts';
import { CallTrackingBackend } from '../src/engine/tuning/stepCalls.ts';
import { formatStepSummary, formatStepTable } from '../bench/stepReport.ts';
import type { BuildWorkload } from '../bench/stepWorkload.ts';
import { DEVICES, type DeviceName } from '../bench/devices.ts';
import { benchStepPlan, formatStepPlan } from '../bench/stepPlan.ts';
import { stepTrace } from '../bench/trace.ts';
import { GmtlError } from '../src/engine/errors.ts';
import { type AdapterInfo, readAdapterInfo } from '../src/engine/gpu/classify.ts';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import { createNodeDevice } from '../src/engine/node/createDevice.ts';
import { requireWritable } from '../src/engine/node/atomic.ts';
import type { Precision } from '../src/retina/network/network.ts';
import { presets } from '../src/retina/config/presets.ts';
import { requireOwn, writeOwn } from '../src/retina/report/ownFiles.ts';
import { gmtlVersion } from '../src/engine/node/version.ts';
import { loadTuned } from '../src/engine/node/tuned.ts';
import { adapterOption } from './options.ts';

/** Which network a command measures. */
export interface WorkloadArguments {
  model?: string;
  preset?: string;
  batch?: number;
  size?: number;
  classes: number;
  set: string[];
  data?: string;
  recompute: boolean;
  precision: Precision;
}

const variants = CLASSIFIER_VARIANTS.join(', ');
const presetNames = Object.keys(presets);

/** The options of {@link WorkloadArguments}. */
export function workloadOptions<T>(yargs: Argv<T>): Argv<T & WorkloadArguments> {
  return yargs
    .option('model', {
      type: 'string',
      describe: `A classifier, ConvNeXt or ResNet (${variants}), or a preset's name. Default: atto`,
    })
    .option('preset', { choices: presetNames, describe: "A preset's multitask network with its own training step" })
    .option('batch', { type: 'number', describe: "Images per step. Default: 8, or the preset's" })
    .option('size', { type: 'number', describe: "Side of the images in pixels. Default: 128, or the preset's" })
    .option('classes', { type: 'number', default: 1000, describe: 'Outputs of the classifier' })
    .option('set', {
      type: 'string',
      array: true,
      default: [] as string[],
      describe: 'One setting of a preset, e.g. --set model.trunk=tiny',
    })
    .option('data', {
      type: 'string',
      describe: 'With a preset: load batches from this data set as training does, and measure the wait',
    })
    .option('recompute', {
      type: 'boolean',
      default: false,
      describe: 'Keep only the inputs of ConvNeXt blocks until backward: less memory, more time',
    })
    .option('precision', {
      choices: ['f32', 'f16'] as const,
      default: 'f32' as const,
      describe: 'Storage of activations',
    }) as Argv<T & WorkloadArguments>;
}

/** How to build what the options name, on a backend. @throws GmtlError `cli/usage` for options that do not go together. */
export function chooseWorkload(args: WorkloadArguments): BuildWorkload {
  const { model, batch, size, classes, data, recompute, precision } = args;
  if (!(Number.isInteger(classes) && classes > 0)) {
    throw new GmtlError('cli/usage', `--classes must be a whole number from 1 on, not ${classes}`);
  }
  if (args.preset !== undefined && model !== undefined) {
    throw new GmtlError('cli/usage', 'give --model or --preset, not both');
  }
  const preset =
    args.preset ?? (model !== undefined && !isVariant(model) && presetNames.includes(model) ? model : undefined);
  if (preset !== undefined) {
    const set = [
      ...args.set,
      ...(recompute ? ['model.recompute=true'] : []),
      ...(precision === 'f16' ? ['training.precision="f16"'] : []),
    ];
    return (backend) => presetWorkload(backend, { preset, batch, size, set, folder: data });
  }
  const variant = model ?? 'atto';
  if (!isVariant(variant)) {
    throw new GmtlError(
      'cli/usage',
      `--model ${variant} is neither a classifier (${variants}) nor a preset (${presetNames.join(', ')})`,
    );
  }
  if (data !== undefined || args.set.length > 0) {
    throw new GmtlError('cli/usage', `--data and --set are for presets, not for the classifier ${variant}`);
  }
  return (backend) =>
    classifierWorkload(backend, { variant, batch: batch ?? 8, size: size ?? 128, classes, recompute, precision });
}

/** Refuses to measure float32 where float16 was requested. @throws GmtlError `bench/precision`. */
export function requirePrecision(device: GpuDevice, precision: Precision): void {
  if (precision === 'f16' && !device.target.features.has('shader-f16')) {
    throw new GmtlError('bench/precision', `${device.name} has no shader-f16: leave --precision out`);
  }
}

interface StepArguments extends WorkloadArguments {
  plan: boolean;
  device: DeviceName;
  steps: number;
  calls: boolean;
  json?: string;
  trace?: string;
  adapter: string;
}

/** Adapter and driver as the headers show them. */
export function machineText(info: AdapterInfo, name: string): { readonly adapter: string; readonly driver: string } {
  // Dawn turns the punctuation of the driver's name into dashes.
  return { adapter: info.device.replace(/-+$/, '') || name, driver: info.description || 'not reported by the adapter' };
}

/** Plans the step without a device. */
async function runPlan({ device, json, trace, ...workload }: StepArguments): Promise<void> {
  if (trace !== undefined)
    throw new GmtlError('cli/usage', '--trace shows times, and --plan measures none: give one of the two');
  if (json !== undefined) {
    requireOwn([json], 'bench');
    await requireWritable(json);
  }
  const planned = await benchStepPlan(chooseWorkload(workload), DEVICES[device]);
  console.log(formatStepPlan(planned));
  if (json === undefined) return;
  const { name, batch, size, parameters } = planned.workload;
  const content = { gmtl: gmtlVersion(), arithmetic: true, ...planned, workload: { name, batch, size, parameters } };
  await writeOwn(json, `${JSON.stringify(content, null, 1)}\n`, 'bench');
  console.error(`wrote ${json}`);
}

async function run(args: StepArguments): Promise<void> {
  if (args.plan) return runPlan(args);
  const { steps, calls, json, trace, adapter, ...workload } = args;
  if (!(Number.isInteger(steps) && steps > 0)) {
    throw new GmtlError('bench/steps', `--steps must be a whole number from 1 on, not ${steps}`);
  }
  const build = chooseWorkload(workload);
  const outputs = [json, trace].filter((path) => path !== undefined);
  requireOwn(outputs, 'bench');
  for (const path of outputs) await requireWritable(path);
  const { device, opened } = await createNodeDevice({ adapter });
  try {
    requirePrecision(device, workload.precision);
    const file = loadTuned(device.info);
    if (file.note !== null) console.error(`note: ${file.note}`);
    const backend = new CallTrackingBackend(device, { tuned: file.tuned });
    const { bench, profile } = await benchStep(backend, build, {
      steps,
      onProgress: (label) => process.stderr.write(`${label} …\n`),
    });
    const info = readAdapterInfo(device.info);
    const date = new Date().toISOString();
    const machine = { ...machineText(info, device.name), kind: opened.kind, date, tuned: file.tuned.size };
    console.log(`${formatStepSummary(bench, machine)}\n\n${formatStepTable(bench, calls)}`);
    if (json !== undefined) {
      const content = {
        ...{ gmtl: gmtlVersion(), date, node: process.version, platform: `${process.platform}-${process.arch}` },
        adapter: { kind: opened.kind, ...info },
        features: [...device.target.features].sort(),
        tunedCalls: file.tuned.size,
        ...bench,
      };
      await writeOwn(json, `${JSON.stringify(content, null, 1)}\n`, 'bench');
      console.error(`wrote ${json}`);
    }
    if (trace !== undefined) {
      const { name, batch, size } = bench.workload;
      const about = {
        adapter: machine.adapter,
        driver: machine.driver,
        date,
        step: `${name}, ${batch} of ${size}x${size}`,
      };
      await writeOwn(trace, `${JSON.stringify(stepTrace(profile, about))}\n`, 'bench');
      console.error(`wrote ${trace}: open it at https://ui.perfetto.dev`);
    }
  } finally {
    device.destroy();
  }
}

/** `gmtl bench step`. */
export const stepCommand: CommandModule<object, StepArguments> = {
  command: 'step',
  describe: 'Time a whole training step: throughput, GPU and CPU time, memory, and where the time goes',
  builder: (yargs) =>
    workloadOptions(yargs)
      .option('plan', {
        type: 'boolean',
        default: false,
        describe:
          'Measure nothing: show operations, bytes, dispatches and the least time of the step on a GPU, by arithmetic',
      })
      .option('device', {
        choices: Object.keys(DEVICES) as DeviceName[],
        default: 'h100' as DeviceName,
        describe: 'With --plan: the GPU whose published figures are taken',
      })
      .option('steps', { type: 'number', default: 10, describe: 'Steps to time' })
      .option('calls', { type: 'boolean', default: false, describe: 'List the longest calls with their shapes too' })
      .option('json', { type: 'string', describe: 'Also write everything measured to this file' })
      .option('trace', { type: 'string', describe: 'Write a trace for Perfetto or chrome://tracing to this file' })
      .option('adapter', adapterOption),
  handler: run,
};
