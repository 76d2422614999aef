/** `gmtl tune`: measures the versions of a network's kernels and keeps the fastest. */
import type { CommandModule } from 'yargs';
import { CallTrackingBackend } from '../src/engine/tuning/stepCalls.ts';
import { milliseconds } from '../bench/stepReport.ts';
import { type TunedCall, type TuneResult, tuneCalls } from '../src/engine/tuning/tune.ts';
import { GmtlError } from '../src/engine/errors.ts';
import { createNodeDevice } from '../src/engine/node/createDevice.ts';
import { requireWritable } from '../src/engine/node/atomic.ts';
import { formatTable } from '../src/retina/report/table.ts';
import { gmtlVersion } from '../src/engine/node/version.ts';
import { loadTuned, saveTuned } from '../src/engine/node/tuned.ts';
import { chooseWorkload, requirePrecision, type WorkloadArguments, workloadOptions } from './benchStep.ts';
import { wrap } from './doctor.ts';
import { startRowProgress } from './rowProgress.ts';
import { adapterOption } from './options.ts';

interface TuneArguments extends WorkloadArguments {
  seconds: number;
  adapter: string;
  debug: boolean;
}

const gainOf = ({ count, milliseconds: ms, defaultMilliseconds }: TunedCall): number =>
  count * (defaultMilliseconds - ms);

/** The calls that run faster in another version than by default, the most time saved first, and the sums. */
export function formatTuned({ calls, fixed, timer }: TuneResult): string {
  const faster = calls.filter(({ version }) => version !== null).sort((a, b) => gainOf(b) - gainOf(a));
  const before = calls.reduce((sum, { count, defaultMilliseconds }) => sum + count * defaultMilliseconds, 0);
  const saved = faster.reduce((sum, call) => sum + gainOf(call), 0);
  const table = formatTable(
    [
      { header: 'program' },
      { header: 'n', digits: 0 },
      { header: 'default' },
      { header: 'ms' },
      { header: 'tuned' },
      { header: 'ms' },
      { header: 'saved ms', digits: 2 },
    ],
    faster.map((call) => [
      call.program,
      call.count,
      call.versions.find(({ isDefault }) => isDefault)?.version ?? 'by shape',
      call.defaultMilliseconds,
      call.version,
      call.milliseconds,
      gainOf(call),
    ]),
  );
  const refused = calls.flatMap(({ program, description, versions }) =>
    versions.flatMap(({ version, refused: why }) =>
      why === undefined
        ? []
        : `Not used: ${version} of ${program}: ${why}. Of ${description}; please report it with the adapter and driver.`,
    ),
  );
  const [header, rule, ...rows] = table.split('\n');
  const lines = rows.flatMap((row, index) => [row, wrap(faster[index].description, '    ')]);
  return [
    ...(faster.length > 0 ? [header, rule, ...lines, ''] : []),
    `${calls.length} calls with a choice of versions (${fixed} have none), timed by ${timer.kind}.`,
    faster.length > 0
      ? `${faster.length} run faster in another version: ${milliseconds(before)} a step become ${milliseconds(before - saved)} in these calls.`
      : 'Each is fastest in the version that is chosen without tuning.',
    ...refused.map((line) => wrap(line, '')),
  ].join('\n');
}

async function tune({ seconds, adapter, debug, ...workload }: TuneArguments): Promise<void> {
  if (!(seconds > 0)) throw new GmtlError('tune/seconds', `--seconds must be above 0, not ${seconds}`);
  if (workload.data !== undefined) throw new GmtlError('cli/usage', 'tune needs no --data: times do not depend on it');
  const build = chooseWorkload(workload);
  const { device } = await createNodeDevice({ adapter });
  const progress = startRowProgress(debug);
  try {
    requirePrecision(device, workload.precision);
    // A wrong GMTL_TUNE is reported before minutes are spent.
    loadTuned(device.info);
    const { note, path } = loadTuned(device.info, { environment: {} });
    if (note !== null) console.error(`note: ${note}`);
    await requireWritable(path);
    const backend = new CallTrackingBackend(device);
    process.stderr.write('recording a step …\n');
    backend.startCalls();
    const step = await build(backend);
    const { name, batch, size } = step;
    try {
      await step.run(0);
    } finally {
      step.dispose();
      device.trim();
    }
    const result = await tuneCalls(backend, backend.stopCalls(), { seconds, onProgress: progress.update });
    progress.stop();
    console.log(`${name}, ${batch} images of ${size}x${size}, on ${device.name}\n\n${formatTuned(result)}\n`);
    const file = await saveTuned(
      device.info,
      result.calls.map(({ call, version, milliseconds: ms, defaultMilliseconds }) => ({
        ...{ call, version, milliseconds: ms, defaultMilliseconds },
      })),
      { gmtl: gmtlVersion() },
    );
    console.log(`${file.path} holds ${file.entries.length} calls now, ${file.tuned.size} of them in another version.`);
    console.log('It is used from now on unless GMTL_TUNE=off is set; deleting it undoes it.');
  } finally {
    progress.stop();
    device.destroy();
  }
}

/** `gmtl tune`. */
export const tuneCommand: CommandModule<object, TuneArguments> = {
  command: 'tune',
  describe: "Time every version of a model's kernels on this adapter, and use the fastest from then on",
  builder: (yargs) =>
    workloadOptions(yargs)
      .option('seconds', { type: 'number', default: 0.1, describe: 'Time for the samples of one version of a call' })
      .option('adapter', adapterOption)
      .option('debug', { type: 'boolean', default: false, describe: 'Name every call as it is timed' }),
  handler: tune,
};
