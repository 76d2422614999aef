/** `gmtl bench compile`: compiles kernels on the adapter at hand, or for an AMD GPU that is not there. */
import type { CommandModule } from 'yargs';
import { benchCompile, type CompileSet } from '../bench/compile.ts';
import { compileProblems, formatCompile } from '../bench/compileReport.ts';
import { FAMILIES, type Family, nullDevice } from '../bench/nullDevice.ts';
import { BUDGETS_PATH, budgetsOf, budgetsText, readBudgets } from '../bench/radv.ts';
import { GmtlError } from '../src/engine/errors.ts';
import { requireWritable, writeFileAtomic } from '../src/engine/node/atomic.ts';
import { gmtlVersion } from '../src/engine/node/version.ts';
import { requireOwn, writeOwn } from '../src/retina/report/ownFiles.ts';
import { adapterOption } from './options.ts';
import { startRowProgress } from './rowProgress.ts';

interface CompileArguments {
  kernels: CompileSet;
  filter?: string;
  'null-device'?: Family;
  'write-budgets': boolean;
  json?: string;
  adapter: string;
}

/** `gmtl bench compile`. */
export const compileCommand: CommandModule<object, CompileArguments> = {
  command: 'compile',
  describe:
    'Compile every kernel on an adapter: what fails, what it takes, and (AMD on Linux) what the machine code is like',
  builder: (yargs) =>
    yargs
      .option('kernels', {
        choices: ['all', 'steps', 'cases'] as const,
        default: 'all' as const,
        describe: "Those of two training steps, those of every op's test cases in every version, or both",
      })
      .option('filter', { type: 'string', describe: 'Only kernels whose name contains this text' })
      .option('null-device', {
        choices: FAMILIES,
        describe: "Compile for this AMD GPU without having one: Mesa's RADV and a C compiler are needed",
      })
      .option('write-budgets', {
        type: 'boolean',
        default: false,
        describe: 'Make what was measured the budgets of later runs (bench/radvBudgets.json)',
      })
      .option('json', { type: 'string', describe: 'Also write everything to this file' })
      .option('adapter', adapterOption),
  async handler({ kernels, filter, 'null-device': family, 'write-budgets': writeBudgets, json, adapter }) {
    if (writeBudgets && (kernels !== 'all' || filter !== undefined)) {
      throw new GmtlError('cli/usage', '--write-budgets needs all kernels: leave --kernels and --filter out');
    }
    if (json !== undefined) {
      requireOwn([json], 'bench');
      await requireWritable(json);
    }
    const progress = startRowProgress(false);
    const request = { adapter: family ? 'gpu' : adapter, set: kernels, filter: filter ?? '' };
    const bench = await benchCompile(request, family && nullDevice(family), progress.update).finally(progress.stop);
    const measured = budgetsOf(bench.compiler, bench.rows);
    if (writeBudgets) {
      if (Object.keys(measured.kernels).length === 0) {
        throw new GmtlError('bench/budgets', `${bench.adapter} tells nothing of its machine code: only RADV does`);
      }
      await writeFileAtomic(BUDGETS_PATH, budgetsText(measured));
    }
    const budgets = readBudgets();
    const problems = compileProblems(bench, budgets);
    console.log(formatCompile(bench, budgets, problems));
    if (json !== undefined) {
      const content = { gmtl: gmtlVersion(), date: new Date().toISOString(), ...bench, problems };
      await writeOwn(json, `${JSON.stringify(content, null, 1)}\n`, 'bench');
      console.error(`wrote ${json}`);
    }
    if (problems.length > 0) process.exitCode = 1;
  },
};
