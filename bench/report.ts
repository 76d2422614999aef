/** The text of a kernel benchmark: tables per op, and what stands out in them. */
import { type Cell, type Column, formatTable } from '../src/retina/report/table.ts';
import type { BenchRow, KernelBench } from './kernels.ts';

/** A backward program may take this many times its forward; more is a defect (an acceptance bound of the engine). */
const SLOW_BACKWARD = 5;
/** Below this share of its ceiling a default version is worth looking at. */
const LOW_SHARE = 0.2;

/** Rows of one case, in order. */
export interface CaseGroup {
  readonly op: string;
  readonly testCase: string;
  readonly rows: readonly BenchRow[];
  /** Default versions, in milliseconds; backward is the sum over all its calls, null where there are none in the rows. */
  readonly forward: number | null;
  readonly backward: number | null;
}

function total(rows: readonly BenchRow[]): number | null {
  if (rows.length === 0) return null;
  return rows.reduce((sum, row) => sum + row.count * row.measurement.median, 0);
}

/** Groups consecutive rows by op and case. */
export function groupByCase(rows: readonly BenchRow[]): CaseGroup[] {
  const groups = new Map<string, BenchRow[]>();
  for (const row of rows) {
    const key = JSON.stringify([row.op, row.testCase]);
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()].map((group) => {
    const defaults = group.filter(({ isDefault }) => isDefault);
    return {
      op: group[0].op,
      testCase: group[0].testCase,
      rows: group,
      forward: total(defaults.filter(({ part }) => part === 'forward')),
      backward: total(defaults.filter(({ part }) => part === 'backward')),
    };
  });
}

export interface SlowBackward {
  readonly op: string;
  readonly testCase: string;
  readonly program: string;
  readonly milliseconds: number;
  readonly forward: number;
  readonly ratio: number;
}

/** Backward programs (default versions, single calls) that take more than `bound` times the forward of their case. */
export function slowBackwards(rows: readonly BenchRow[], bound = SLOW_BACKWARD): SlowBackward[] {
  return groupByCase(rows).flatMap(({ op, testCase, rows: group, forward }) =>
    forward === null
      ? []
      : group
          .filter(({ part, isDefault }) => part === 'backward' && isDefault)
          .map(({ program, measurement }) => ({
            op,
            testCase,
            program,
            milliseconds: measurement.median,
            forward,
            ratio: measurement.median / forward,
          }))
          .filter(({ ratio }) => ratio > bound),
  );
}

/** Default versions below `share` of what the adapter can do, the largest loss of time first; each call once. */
export function lowShares(rows: readonly BenchRow[], share = LOW_SHARE): BenchRow[] {
  const lost = (row: BenchRow) => row.measurement.median * (1 - row.rates.share);
  return rows
    .filter((row) => row.isDefault && !row.shared && row.rates.share < share)
    .sort((a, b) => lost(b) - lost(a));
}

const COLUMNS: readonly Column[] = [
  { header: 'program' },
  { header: 'version' },
  { header: 'ms' },
  { header: 'GFLOP/s', digits: 2 },
  { header: 'GB/s', digits: 2 },
  { header: 'bound by' },
  { header: 'of ceiling', align: 'right' },
];

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`;

/** Shapes as `512x96 384x96`, and the attributes where there are any. */
function callText({ inputs, attributes }: BenchRow): string {
  const shapes = inputs.map(({ shape }) => shape.join('x') || '1').join(' ');
  const settings = Object.entries(attributes)
    .filter(([, value]) => value !== false && value !== undefined)
    .map(([name, value]) => (value === true ? name : `${name}=${value}`));
  return [shapes, ...settings].join(' ');
}

/** Whether the case calls the same program with other shapes or attributes as well: a line in front tells them apart. */
function isAmbiguous(row: BenchRow, group: readonly BenchRow[]): boolean {
  return group.some((other) => other.program === row.program && callText(other) !== callText(row));
}

function cells(row: BenchRow): Cell[] {
  const { gigaflopsPerSecond, gigabytesPerSecond, bound, share } = row.rates;
  const count = row.count > 1 ? ` x${row.count}` : '';
  return [
    `  ${row.program}${count}`,
    `${row.isDefault ? '*' : ' '} ${row.version ?? ''}`,
    row.measurement.median,
    gigaflopsPerSecond,
    gigabytesPerSecond,
    bound,
    percent(share),
  ];
}

function heading({ op, testCase, forward, backward }: CaseGroup): string {
  const ratio =
    forward === null || backward === null ? '' : `  (backward in all ${(backward / forward).toFixed(1)}x forward)`;
  return `${op} / ${testCase}${ratio}`;
}

/** The table, grouped by op and case, and a closing summary. */
export function formatKernelBench(bench: KernelBench): string {
  const groups = groupByCase(bench.rows);
  const [header, rule, ...table] = formatTable(
    COLUMNS,
    groups.flatMap(({ rows }) => rows.map(cells)),
  ).split('\n');
  const body = groups.flatMap((group) => {
    const lines = table.splice(0, group.rows.length).flatMap((line, index) => {
      const row = group.rows[index];
      const previous = group.rows[index - 1];
      const isNew = !previous || previous.program !== row.program || callText(previous) !== callText(row);
      return isNew && isAmbiguous(row, group.rows) ? [`  ${row.part} ${callText(row)}`, line] : [line];
    });
    return ['', heading(group), ...lines];
  });
  return [header, rule, ...body, '', ...summary(bench)].join('\n');
}

function summary({ rows, problems }: KernelBench): string[] {
  const slow = slowBackwards(rows);
  const low = lowShares(rows);
  const lines = ['* the version the engine chooses on this adapter.'];
  const compared = groupByCase(rows).filter(({ forward, backward }) => forward !== null && backward !== null).length;
  lines.push(
    compared === 0
      ? 'No case has both its forward and its backward among these rows.'
      : slow.length === 0
        ? `No backward program is slower than ${SLOW_BACKWARD} times the forward of its case (${compared} compared).`
        : `Backward programs slower than ${SLOW_BACKWARD} times the forward of their case:`,
    ...slow.map(
      ({ op, testCase, program, ratio, milliseconds, forward }) =>
        `  ${op} / ${testCase}: ${program} ${ratio.toFixed(1)}x (${milliseconds.toFixed(3)} ms after ${forward.toFixed(3)} ms)`,
    ),
  );
  if (low.length > 0) {
    lines.push(
      `Below ${LOW_SHARE * 100} % of the ceiling, most time lost first:`,
      ...low.map(
        (row) =>
          `  ${row.op} / ${row.testCase}: ${row.program} ${percent(row.rates.share)} (${row.measurement.median.toFixed(3)} ms, ${callText(row)})`,
      ),
    );
  }
  if (problems.length > 0) {
    lines.push('Not timed:', ...problems.map(({ op, testCase, message }) => `  ${op} / ${testCase}: ${message}`));
  }
  return lines;
}

/** What was measured, when and how: the lines above the table. */
export function formatHeader(
  bench: KernelBench,
  machine: { readonly adapter: string; readonly kind: string; readonly driver: string; readonly date: string },
): string {
  const { ceilings, timer } = bench;
  return [
    `adapter   ${machine.adapter} (${machine.kind})`,
    `driver    ${machine.driver}`,
    `ceilings  copy ${(ceilings.bytesPerSecond / 1e9).toFixed(2)} GB/s, multiply-add ${(ceilings.flopsPerSecond / 1e9).toFixed(1)} GFLOP/s, ${(ceilings.secondsPerDispatch * 1e6).toFixed(0)} us per dispatch`,
    `timing    ${timer.kind}: ${timer.reason}; median of the samples`,
    `date      ${machine.date}`,
  ].join('\n');
}
