/** What an initialization from a file matched and what it did not, as text. */
import { formatShape } from '../../tensor/spec.ts';
import { checkAttributes, requireMade } from '../../arguments.ts';
import type { InitPlan, InitRow, InitStatus } from './plan.ts';

/** What an initialization from a file did. */
export interface InitReport extends InitPlan {
  /** The file that was read. */
  readonly file: string;
  /** Elements written. */
  readonly loadedElements: number;
}

const COLUMNS: readonly InitStatus[] = ['loaded', 'missing', 'skipped', 'mismatch'];
/** How many names that share a reason are shown. */
const SHOWN = 3;

/**
 * A table for a terminal: counts by part of the network, then what was not loaded, with the reason.
 * @param options.verbose every tensor with its two names, shape and fate, instead of the counts.
 */
export function formatInitReport(report: InitReport, options: { readonly verbose?: boolean } = {}): string {
  requireMade('formatInitReport', 'report', report, ['file', 'source', 'target', 'rows'], 'initFromFile');
  checkAttributes('formatInitReport', { verbose: 'flag?' }, options);
  const { file, naming, filePrefix, source, target, rows, loadedElements } = report;
  const count = (status: InitStatus): number => rows.filter((row) => row.status === status).length;
  const under = filePrefix === '' ? '' : ` under "${filePrefix}"`;
  const head = [
    `${file}: ${source.title}, names of ${naming}${under}`,
    `loaded ${count('loaded')} tensors (${loadedElements.toLocaleString('en-US')} numbers); ${count('missing')} missing, ${count('skipped')} skipped, ${count('mismatch')} of another shape`,
  ];
  return [
    ...head,
    '',
    ...(options.verbose ? everyRow(rows) : [...countsByPart(rows, target.prefix), ...reasons(rows)]),
  ].join('\n');
}

/** The part a row is counted under: a stage of the trunk, or the network's first-level part (decoder, gate, …). */
function partOf(row: InitRow, prefix: string): string {
  if (row.name === null) return '(file only)';
  const inTrunk = row.name.startsWith(prefix);
  const own = inTrunk ? row.name.slice(prefix.length) : row.name;
  const part = /^(stages\.\d+|[^.]+)/.exec(own)?.[1] ?? own;
  return inTrunk ? prefix + part : part;
}

function countsByPart(rows: readonly InitRow[], prefix: string): string[] {
  const parts = new Map<string, Map<InitStatus, number>>();
  for (const row of rows) {
    const part = partOf(row, prefix);
    const counts = parts.get(part) ?? new Map<InitStatus, number>();
    counts.set(row.status, (counts.get(row.status) ?? 0) + 1);
    parts.set(part, counts);
  }
  const shown = COLUMNS.filter((status) => rows.some((row) => row.status === status));
  const cells = [...parts].map(([part, counts]) => [part, ...shown.map((status) => String(counts.get(status) ?? ''))]);
  return lineUp([['part', ...shown], ...cells], (column) => column > 0);
}

function reasons(rows: readonly InitRow[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { fileName, name, shape, status, reason } of rows) {
    if (status === 'loaded') continue;
    const key = `${status}: ${reason}`;
    const names = byReason.get(key) ?? [];
    names.push(`${fileName ?? name} ${formatShape(shape)}`);
    byReason.set(key, names);
  }
  if (byReason.size === 0) return [];
  const lines = [...byReason].map(([key, names]) => {
    const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
    return `  ${key}: ${names.slice(0, SHOWN).join(', ')}${more}`;
  });
  return ['', 'not loaded:', ...lines];
}

function everyRow(rows: readonly InitRow[]): string[] {
  const cells = rows.map(({ fileName, name, shape, status, reason }) => [
    fileName ?? '-',
    name ?? '-',
    formatShape(shape),
    status,
    reason,
  ]);
  return lineUp([['in the file', 'here', 'shape', 'status', 'reason'], ...cells], () => false);
}

function lineUp(cells: readonly (readonly string[])[], right: (column: number) => boolean): string[] {
  const widths = cells[0].map((_, column) => cells.reduce((most, row) => Math.max(most, row[column].length), 0));
  return cells.map((row) =>
    row
      .map((cell, column) => (right(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
      .join('  ')
      .trimEnd(),
  );
}
