/** Turns measured rows into the comparison: joined repeats, ratios, means, tables. Pure: it uses neither a clock nor a process. */
import type { RowKey, RowResult, RowStatus } from './protocol.ts';
import { rowTitle, WORKLOADS } from './workloads.ts';

/** `self`: gmtl as its users get it. `rival`: an engine on the same adapter. `shown`: for orientation only, never compared. */
export type Role = 'self' | 'rival' | 'shown';

export interface EngineColumn {
  readonly name: string;
  readonly title: string;
  readonly role: Role;
}

/** What one child process measured. */
export interface EngineRun {
  readonly engine: string;
  readonly repeat: number;
  readonly info: Readonly<Record<string, string>>;
  readonly rows: readonly RowResult[];
}

/** An engine's row over all its repeats. */
export interface Cell {
  readonly status: RowStatus;
  readonly reason?: string;
  /** Smallest of the repeats' medians, in milliseconds. Only where every repeat was right. */
  readonly milliseconds?: number;
  /** Largest of the repeats' first calls: the one that found the driver's cache coldest. */
  readonly firstCall?: number;
}

/** The worst first: one wrong result makes the row broken, however often it was right. */
const SEVERITY: readonly RowStatus[] = ['broken', 'failed', 'timeout', 'unsupported', 'ok'];

/** Joins an engine's repeats of one row; null where there are none. */
export function joinRepeats(rows: readonly RowResult[]): Cell | null {
  if (rows.length === 0) return null;
  const worst = SEVERITY.map((status) => rows.find((row) => row.status === status)).find((row) => row !== undefined)!;
  if (worst.status !== 'ok') return { status: worst.status, reason: worst.reason };
  const medians = rows.map(({ median }) => median ?? Number.NaN);
  const firstCalls = rows.map(({ firstCall }) => firstCall ?? Number.NaN);
  if (medians.some((median) => !(median > 0))) throw new Error('a row that is ok has no median');
  return { status: 'ok', milliseconds: Math.min(...medians), firstCall: Math.max(...firstCalls) };
}

/** exp of the mean logarithm. */
export function geometricMean(ratios: readonly number[]): number {
  if (ratios.length === 0) throw new Error('the geometric mean of no ratios');
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
}

export interface ComparedRow {
  readonly key: RowKey;
  readonly title: string;
  /** By engine. */
  readonly cells: ReadonlyMap<string, Cell>;
  /** The fastest rival that is right; null where there is none. */
  readonly fastest: { readonly engine: string; readonly milliseconds: number } | null;
  /** Time of the fastest rival over gmtl's: above 1 gmtl is faster. Null where either is missing. */
  readonly ratio: number | null;
  readonly verdict: 'faster' | 'slower' | 'no right rival' | 'gmtl is not right' | 'gmtl was not run';
}

export interface RivalMean {
  readonly engine: string;
  readonly title: string;
  /** Geometric mean of its time over gmtl's, over `rows` rows in which both are right; null where there are none. */
  readonly ratio: number | null;
  readonly rows: number;
}

export interface Comparison {
  readonly columns: readonly EngineColumn[];
  readonly rows: readonly ComparedRow[];
  readonly means: readonly RivalMean[];
}

function compareRow(key: RowKey, title: string, columns: readonly EngineColumn[], runs: readonly EngineRun[]) {
  const cells = new Map<string, Cell>();
  for (const { name } of columns) {
    const rows = runs
      .filter(({ engine }) => engine === name)
      .flatMap((run) => run.rows.filter((row) => row.workload === key.workload && row.pass === key.pass));
    const cell = joinRepeats(rows);
    if (cell) cells.set(name, cell);
  }
  let fastest: ComparedRow['fastest'] = null;
  for (const { name, role } of columns) {
    const milliseconds = cells.get(name)?.milliseconds;
    if (role !== 'rival' || milliseconds === undefined) continue;
    if (!fastest || milliseconds < fastest.milliseconds) fastest = { engine: name, milliseconds };
  }
  const self = columns.find(({ role }) => role === 'self');
  const cell = self && cells.get(self.name);
  const ratio = cell?.milliseconds !== undefined && fastest ? fastest.milliseconds / cell.milliseconds : null;
  const verdict = !cell
    ? 'gmtl was not run'
    : cell.status !== 'ok'
      ? 'gmtl is not right'
      : ratio === null
        ? 'no right rival'
        : ratio >= 1
          ? 'faster'
          : 'slower';
  return { key, title, cells, fastest, ratio, verdict } satisfies ComparedRow;
}

/** Compares all rows that at least one engine ran. */
export function compareRuns(columns: readonly EngineColumn[], runs: readonly EngineRun[]): Comparison {
  const present = columns.filter(({ name }) => runs.some(({ engine }) => engine === name));
  const rows = WORKLOADS.flatMap((workload) =>
    workload.passes.map((pass) =>
      compareRow({ workload: workload.key, pass }, rowTitle(workload, pass), present, runs),
    ),
  ).filter(({ cells }) => cells.size > 0);
  const self = present.find(({ role }) => role === 'self');
  const means = present
    .filter(({ role }) => role === 'rival')
    .map(({ name, title }) => {
      const ratios = rows.flatMap(({ cells }) => {
        const [gmtl, rival] = [self && cells.get(self.name)?.milliseconds, cells.get(name)?.milliseconds];
        return gmtl !== undefined && rival !== undefined ? [rival / gmtl] : [];
      });
      return { engine: name, title, ratio: ratios.length > 0 ? geometricMean(ratios) : null, rows: ratios.length };
    });
  return { columns: present, rows, means };
}

/** Three significant digits, as people write milliseconds. */
function formatMilliseconds(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

const WORDS: Record<Exclude<RowStatus, 'ok'>, string> = {
  broken: 'broken',
  failed: 'failed',
  timeout: 'too slow',
  unsupported: '–',
};

function cellText(cell: Cell | undefined, value: (cell: Cell) => number | undefined): string {
  if (!cell) return '';
  if (cell.status !== 'ok') return WORDS[cell.status];
  const number = value(cell);
  return number === undefined ? '' : formatMilliseconds(number);
}

function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((text, column) => Math.max(text.length, ...rows.map((row) => row[column].length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(header), rule, ...rows.map(line)].join('\n');
}

/** Lists an engine's rows without a time, one line per reason. */
function listProblems(engine: string, title: string, rows: readonly ComparedRow[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const row of rows) {
    const { status, reason } = row.cells.get(engine) ?? {};
    if (!status || status === 'ok') continue;
    const text = `${status === 'unsupported' ? 'cannot' : WORDS[status]}: ${reason ?? 'no reason given'}`;
    byReason.set(text, [...(byReason.get(text) ?? []), row.title]);
  }
  return [...byReason].map(([text, titles]) => `- ${title}, ${text} (${titles.join('; ')})`);
}

/** The comparison in Markdown, aligned so that it reads as plain text too: times, first calls, means, and what is wrong and why. */
export function formatComparison({ columns, rows, means }: Comparison): string {
  const titles = columns.map(({ title }) => title);
  const times = rows.map(({ title, cells, ratio, verdict }) => [
    title,
    ...columns.map(({ name }) => cellText(cells.get(name), ({ milliseconds }) => milliseconds)),
    ratio === null ? '' : ratio.toFixed(2),
    verdict === 'slower' ? '**slower**' : verdict,
  ]);
  const first = rows.map(({ title, cells }) => [
    title,
    ...columns.map(({ name }) => cellText(cells.get(name), ({ firstCall }) => firstCall)),
  ]);
  const problems = columns.flatMap(({ name, title }) => listProblems(name, title, rows));
  const meanLines = means.map(({ title, ratio, rows: count }) =>
    ratio === null
      ? `- ${title}: no row in which both are right`
      : `- ${title}: ${ratio.toFixed(2)} (${count} rows in which both are right)`,
  );
  return [
    'Milliseconds of one run:',
    '',
    markdown(['workload', ...titles, 'fastest rival ÷ gmtl', 'gmtl is'], times),
    '',
    'Geometric mean of the time over gmtl’s:',
    '',
    ...meanLines,
    '',
    'First call, milliseconds (compilation; the driver’s cache as it was):',
    '',
    markdown(['workload', ...titles], first),
    ...(problems.length > 0 ? ['', 'Not timed:', '', ...problems] : []),
    '',
  ].join('\n');
}
