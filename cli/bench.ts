/** `gmtl bench`: times kernels; whole steps, inference and ranks through files of their own. */
import type { Argv, CommandModule } from 'yargs';
import { benchKernels } from '../bench/kernels.ts';
import { formatHeader, formatKernelBench, lowShares, slowBackwards } from '../bench/report.ts';
import { GmtlError } from '../src/engine/errors.ts';
import { readAdapterInfo } from '../src/engine/gpu/classify.ts';
import { createNodeDevice } from '../src/engine/node/createDevice.ts';
import { requireWritable } from '../src/engine/node/atomic.ts';
import { ops } from '../src/engine/ops/index.ts';
import { requireOwn, writeOwn } from '../src/retina/report/ownFiles.ts';
import { gmtlVersion } from '../src/engine/node/version.ts';
import { allCommand } from './benchAll.ts';
import { compileCommand } from './benchCompile.ts';
import { benchInferCommand } from './benchInfer.ts';
import { benchScaleCommand } from './benchScale.ts';
import { machineText, requirePrecision, stepCommand } from './benchStep.ts';
import { adapterOption } from './options.ts';
import { startRowProgress } from './rowProgress.ts';

interface KernelsArguments {
  filter?: string;
  json?: string;
  versions: 'all' | 'default';
  precision: 'f32' | 'f16';
  adapter: string;
  seconds: number;
  debug: boolean;
}

const kernelsCommand: CommandModule<object, KernelsArguments> = {
  command: 'kernels',
  describe: "Time every op's kernels, all versions side by side, against what the adapter can do",
  builder: (yargs: Argv) =>
    yargs
      .option('filter', { type: 'string', describe: 'Only rows whose "op / case / program" contains this text' })
      .option('json', { type: 'string', describe: 'Also write everything measured to this file' })
      .option('versions', {
        choices: ['all', 'default'] as const,
        default: 'all' as const,
        describe: 'Every version of a kernel, or only the one the engine chooses',
      })
      .option('precision', {
        choices: ['f32', 'f16'] as const,
        default: 'f32' as const,
        describe: 'Storage of activations; with f16 only the ops that can have it are timed',
      })
      .option('seconds', { type: 'number', default: 0.3, describe: 'Time for the samples of one row' })
      .option('adapter', adapterOption)
      .option('debug', {
        type: 'boolean',
        default: false,
        describe: 'Name every row on standard error as it is timed; show stack traces',
      }),
  handler: async ({ filter, json, versions, precision, adapter, seconds, debug }) => {
    if (!(seconds > 0)) throw new GmtlError('bench/seconds', `--seconds must be above 0, not ${seconds}.`);
    if (json !== undefined) {
      requireOwn([json], 'bench');
      await requireWritable(json);
    }
    const { device, opened } = await createNodeDevice({ adapter });
    const progress = startRowProgress(debug);
    try {
      requirePrecision(device, precision);
      const bench = await benchKernels(device, ops, {
        filter,
        versions,
        precision,
        seconds,
        onProgress: progress.update,
      });
      progress.stop();
      const info = readAdapterInfo(device.info);
      const date = new Date().toISOString();
      console.log(`${formatHeader(bench, { ...machineText(info, device.name), kind: opened.kind, date })}\n`);
      console.log(formatKernelBench(bench));
      if (json !== undefined) {
        const content = {
          gmtl: gmtlVersion(),
          date,
          node: process.version,
          platform: `${process.platform}-${process.arch}`,
          adapter: { kind: opened.kind, ...info },
          features: [...device.target.features].sort(),
          secondsPerRow: seconds,
          filter: filter ?? null,
          precision,
          ...bench,
          slowBackwards: slowBackwards(bench.rows),
          belowShare: lowShares(bench.rows).map(({ op, testCase, program }) => ({ op, testCase, program })),
        };
        await writeOwn(json, `${JSON.stringify(content, null, 1)}\n`, 'bench');
        console.error(`wrote ${json}`);
      }
      if (bench.problems.length > 0) process.exitCode = 1;
    } finally {
      progress.stop();
      device.destroy();
    }
  },
};

/** `gmtl bench …`. */
export const benchCommand: CommandModule = {
  command: 'bench <what>',
  describe: 'Measure the speed of kernels, of a whole training step, of inference, or of several ranks',
  builder: (yargs: Argv) =>
    yargs
      .command(kernelsCommand)
      .command(stepCommand)
      .command(benchInferCommand)
      .command(benchScaleCommand)
      .command(compileCommand)
      .command(allCommand)
      .demandCommand(1, 'Say what to measure: kernels, step, infer, scale, compile or all.'),
  handler: () => {
    throw new GmtlError(
      'cli/bench-what',
      'Say what to measure: gmtl bench kernels, step, infer, scale, compile or all.',
    );
  },
};
