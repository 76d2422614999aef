/** `gmtl doctor`: lists the adapters and shows whether they compute right. */
import { availableParallelism, release, totalmem } from 'node:os';
import type { Argv, CommandModule } from 'yargs';
import { GmtlError } from '../src/engine/errors.ts';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import { createNodeDevice } from '../src/engine/node/createDevice.ts';
import { type AdapterListing, listAdapters, type OpenedAdapter } from '../src/engine/node/open.ts';
import type { PlanTarget } from '../src/engine/gpu/kernel.ts';
import { readAdapterInfo } from '../src/engine/gpu/classify.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { ops } from '../src/engine/ops/index.ts';
import { formatTable } from '../src/retina/report/table.ts';
import { dawnVersion, missingText } from '../src/engine/node/optional.ts';
import { gmtlVersion } from '../src/engine/node/version.ts';
import { loadTuned, type TunedFile } from '../src/engine/node/tuned.ts';
import { SELF_TEST_BOUND, type SelfTestResult, selfTest } from '../src/engine/check/selftest.ts';

interface DoctorArguments {
  adapter: string;
  debug: boolean;
}

/** Ops that between them try products, convolution, reductions and normalization on the adapter. */
const SELF_TEST_OPS: readonly string[] = ['matmul', 'conv2d', 'depthwiseConv2d', 'layerNorm', 'sum'];

/** The limits that decide what fits; `--debug` prints all. */
const SHOWN_LIMITS: readonly string[] = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
];

const WIDTH = 100;

/** Breaks text at blanks so that no line is longer than `width`, each indented; longer words stay whole. */
export function wrap(text: string, indent: string, width = WIDTH): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, indent + line].join('\n');
}

/** Bytes in binary units where they are a whole number of those, else as they are: `128 MiB`. */
export function limitText(name: string, value: number): string {
  if (!/Size$/.test(name) || /WorkgroupSize/.test(name)) return value.toLocaleString('en-GB').replaceAll(',', ' ');
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (value >= size) return `${Number((value / size).toFixed(2))} ${unit}`;
  }
  return `${value} bytes`;
}

function versionsText(): string {
  const memory = (totalmem() / 2 ** 30).toFixed(1);
  return [
    `gmtl ${gmtlVersion()}, Node ${process.version}, webgpu ${dawnVersion()} (Dawn)`,
    `${process.platform}-${process.arch} ${release()}, ${availableParallelism()} processors, ${memory} GiB of memory`,
  ]
    .map((line) => `  ${line}`)
    .join('\n');
}

/** The adapters, with an arrow at the one in use, and the drivers that offer none, by reason. */
export function adaptersText(listings: readonly AdapterListing[], chosen: string | undefined): string {
  const refusals = new Map<string, string[]>();
  for (const { name, refused } of listings) {
    if (refused !== undefined) refusals.set(refused, [...(refusals.get(refused) ?? []), name]);
  }
  const adapters = listings.filter(({ refused }) => refused === undefined);
  const lines = adapters.map(({ name, kind, driver }) => {
    const source = driver.manifest === undefined ? driver.source : `${driver.source} driver ${driver.manifest}`;
    return `  ${name === chosen ? '→' : ' '} ${name}\n${wrap(`${kind}, ${source}`, '      ')}`;
  });
  if (adapters.length === 0) lines.push('  none');
  for (const [reason, names] of refusals) {
    lines.push(wrap(`no adapter: ${reason}`, '    '), ...names.map((name) => `      ${name}`));
  }
  return lines.join('\n');
}

function limitsText(device: GpuDevice, all: boolean): string {
  const limits = device.device.limits as unknown as Record<string, unknown>;
  const names = all
    ? Object.keys(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(limits))).filter(
        (name) => typeof limits[name] === 'number',
      )
    : SHOWN_LIMITS;
  const longest = Math.max(...names.map(({ length }) => length));
  return names.map((name) => `  ${name.padEnd(longest)}  ${limitText(name, Number(limits[name]))}`).join('\n');
}

const errorText = (error: number | null): string => (error === null ? '-' : error.toExponential(1));

/** The self-test's table and verdict. */
export function selfTestText(results: readonly SelfTestResult[]): string {
  const table = formatTable(
    [
      { header: '  op' },
      { header: 'case' },
      { header: 'output error', align: 'right' },
      { header: 'gradient error', align: 'right' },
      { header: 'ms', digits: 0 },
      { header: '' },
    ],
    results.map(({ op, testCase, forwardError, backwardError, milliseconds, passed }) => [
      `  ${op}`,
      testCase,
      errorText(forwardError),
      errorText(backwardError),
      milliseconds,
      passed ? 'ok' : 'FAILED',
    ]),
  );
  const failures = results.filter(({ failure }) => failure !== null);
  const passed = results.every((result) => result.passed);
  const bound = `relative L2 errors against float64, at most ${SELF_TEST_BOUND}; times hold compilation`;
  return [
    table,
    ...failures.map(({ op, failure }) => wrap(`${op}: ${failure}`, '  ')),
    `  ${bound}`,
    passed
      ? '  The adapter computes what it should.'
      : wrap(
          'This adapter gives wrong results: do not train on it. Update its driver, or choose another with --adapter.',
          '  ',
        ),
  ].join('\n');
}

/** Describes the file that `gmtl tune` wrote for the adapter. */
export function tunedText({ path, state, entries, tuned, note }: TunedFile): string {
  switch (state) {
    case 'used':
      return `${entries.length} calls measured, ${tuned.size} run in another version than without: ${path}`;
    case 'absent':
      return `none (gmtl tune would write ${path})`;
    case 'off':
      return `ignored, GMTL_TUNE is off: ${path}`;
    case 'unusable':
      return note ?? path;
    default:
      return state satisfies never;
  }
}

/** The forms of products that the matrix units take, by type of operand. */
export function matrixText({ subgroupMatrix }: Pick<PlanTarget, 'subgroupMatrix'>): string {
  const forms = (['f16', 'f32'] as const).flatMap((type) => {
    const shape = subgroupMatrix?.[type];
    return shape ? [`${type} ${shape.m}x${shape.n}x${shape.k}`] : [];
  });
  return forms.join(', ') || 'none that can be used';
}

function chosenText(opened: OpenedAdapter, device: GpuDevice, debug: boolean): string {
  const features = [...device.target.features].sort();
  const { deviceClass, subgroupSize } = device.target;
  const offered = [...opened.adapter.features].filter((feature) => !device.target.features.has(feature)).sort();
  return [
    wrap(`${device.name}: ${opened.reason}`, '  '),
    `  kernels for    ${deviceClass === 'gpu' ? 'GPUs' : 'software adapters'}`,
    `  driver         ${device.info.description || 'not reported by the adapter'}`,
    `  subgroups      ${subgroupSize > 0 ? `${subgroupSize} lanes` : 'of no fixed size'}`,
    `  matrix units   ${matrixText(device.target)}`,
    `  used features  ${features.join(', ') || 'none'}`,
    `  tuned kernels  ${wrap(tunedText(loadTuned(device.info)), ' '.repeat(17)).trimStart()}`,
    ...(debug ? ['  more features', wrap(offered.join(', ') || 'none', '    ')] : []),
    '',
    'Limits',
    limitsText(device, debug),
  ].join('\n');
}

/** `gmtl doctor`: shows the adapters, and whether the one in use computes correctly. */
export const doctorCommand: CommandModule<object, DoctorArguments> = {
  command: 'doctor',
  describe: 'Show the adapters and test the one that would be used (exit code 1 if the test fails)',
  builder: (yargs: Argv) =>
    yargs
      .option('adapter', {
        type: 'string',
        default: 'auto',
        describe: 'auto, gpu, software, or part of the name of an adapter',
      })
      .option('debug', {
        type: 'boolean',
        default: false,
        describe: 'Print all features and limits; show stack traces',
      }),
  handler: async ({ adapter, debug }) => {
    const missing = missingText();
    if (missing !== null) console.log(`Not installed\n${missing.replaceAll(/^/gm, '  ')}.\n`);
    console.log(`Versions\n${versionsText()}\n`);
    const listings = await listAdapters();
    const start = performance.now();
    const { device, opened } = await createNodeDevice({ adapter });
    const startUp = performance.now() - start;
    try {
      const info = JSON.stringify(readAdapterInfo(device.info));
      const chosen = listings.find((listing) => JSON.stringify(listing.info) === info)?.name;
      console.log(`Adapters\n${adaptersText(listings, chosen)}\n`);
      console.log(`Chosen\n${chosenText(opened, device, debug)}\n`);
      const tested = SELF_TEST_OPS.flatMap((name) => ops.filter((op) => op.name === name));
      const results = await selfTest(new GpuBackend(device), tested);
      if (results.length === 0) throw new GmtlError('cli/doctor', 'the registry has none of the ops to test with');
      console.log(`Self-test (adapter and device ready after ${startUp.toFixed(0)} ms)\n${selfTestText(results)}`);
      if (!results.every(({ passed }) => passed)) process.exitCode = 1;
    } finally {
      device.destroy();
    }
  },
};
