/** What `gmtl bench compile` found, for people. */
import { formatTable } from '../src/retina/report/table.ts';
import type { CompileBench, CompileRow } from './compile.ts';
import { formatCounters } from './counters.ts';
import { type Budgets, overBudget } from './radv.ts';

/** A pipeline that does not compile, or whose machine code is worse than it may be. */
export interface CompileProblem {
  readonly kernel: string;
  readonly settings: string;
  readonly what: string;
}

/** Everything that is wrong, in the order of the rows. */
export function compileProblems(bench: CompileBench, budgets: Budgets | null): CompileProblem[] {
  return bench.rows.flatMap((row) => {
    const { kernel, settings, error } = row;
    const over = budgets ? overBudget(row, budgets, budgets.compiler === bench.compiler) : [];
    return [...(error === null ? [] : [error]), ...over].map((what) => ({ kernel, settings, what }));
  });
}

const SHOWN = 12;

const slowest = (rows: readonly CompileRow[]): CompileRow[] =>
  [...rows].sort((a, b) => b.milliseconds - a.milliseconds).slice(0, SHOWN);

/** The table for people. */
export function formatCompile(
  bench: CompileBench,
  budgets: Budgets | null,
  problems: readonly CompileProblem[],
): string {
  const { rows, adapter, kind, seconds } = bench;
  const failed = rows.filter(({ error }) => error !== null).length;
  const compiling = rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000;
  const read = rows.filter(({ statistics }) => statistics !== null).length;
  const machineCode =
    read === 0
      ? 'not reported by this driver (only RADV does)'
      : `of ${read} pipelines; ${
          budgets?.compiler === bench.compiler
            ? `held against the budgets of ${bench.compiler}`
            : `of spills, scratch and workgroup memory only: the budgets are of ${budgets?.compiler ?? 'no compiler'}`
        }`;
  const table = formatTable(
    [
      { header: 'slowest to compile' },
      { header: 'settings' },
      { header: 'ms', digits: 0 },
      { header: 'VGPRs', digits: 0 },
      { header: 'subgroups', digits: 0 },
      { header: 'instructions', digits: 0 },
    ],
    slowest(rows).map(({ kernel, settings, milliseconds, statistics }) => [
      kernel,
      settings.replaceAll('"', '').slice(1, -1).slice(0, 48),
      milliseconds,
      statistics?.vgprs ?? '',
      statistics?.subgroupsPerSimd ?? '',
      statistics?.instructions ?? '',
    ]),
  );
  return [
    `adapter      ${adapter} (${kind})`,
    `pipelines    ${rows.length}, ${failed} failed; ${compiling.toFixed(1)} s of compiling, ${seconds.toFixed(1)} s in all`,
    `machine code ${machineCode}`,
    '',
    table,
    '',
    // Other sets hold versions for software adapters too.
    ...(bench.set === 'steps' && read > 0 ? [formatCounters(rows, bench.compiler), ''] : []),
    problems.length === 0 ? 'No problem was found.' : `${problems.length} problems:`,
    ...problems.map(({ kernel, settings, what }) => `${kernel} ${settings}: ${what}`),
  ].join('\n');
}
