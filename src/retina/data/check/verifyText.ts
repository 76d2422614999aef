/** Writes what the check of a data set found as text and as JSON. */
import { relative } from 'node:path';
import { STRUCTURE_NAMES } from '../../domain.ts';
import { officialCounts, type DuplicatePair, type VerifyResult } from './verify.ts';

/** Most findings of a kind listed one by one. */
const LISTED = 20;

/** The result of `verifyDataset` as text for a terminal. */
export function formatVerifyReport(result: VerifyResult): string {
  const lines: string[] = [`Data set ${result.source}: ${result.items.length} images`, ''];
  lines.push(...labelLines(result), ...coverageLines(result), ...sizeLines(result));
  lines.push(...duplicateLines(result), ...unusedLines(result));
  if (result.notes.length > 0) lines.push('Notes', ...result.notes.map((note) => `  - ${note}`), '');
  if (result.problems.length > 0) {
    lines.push(`Problems: ${result.problems.length}`);
    lines.push(...result.problems.map((problem) => `  - ${problem.message}`), '');
  }
  const leaks = result.duplicates.filter((pair) => pair.leak).length;
  lines.push(
    result.ok
      ? 'OK: no problems, no picture in two splits.'
      : `NOT OK: ${result.problems.length} problem(s), ${leaks} leak(s) between splits.`,
  );
  return lines.join('\n');
}

function labelLines({ labels }: VerifyResult): string[] {
  if (labels.length === 0) return [];
  const rows = labels.map((row) => {
    const official = officialCounts(row.split);
    const same =
      official !== null &&
      official.retinopathy.join() === row.retinopathy.join() &&
      official.edema.join() === row.edema.join();
    const note =
      official === null
        ? ''
        : same
          ? 'as official'
          : `official: ${official.images} = ${official.retinopathy.join('+')}, ${official.edema.join('+')}`;
    return [row.split, String(row.images), ...row.retinopathy.map(String), ...row.edema.map(String), note];
  });
  const header = ['split', 'graded', 'DR0', 'DR1', 'DR2', 'DR3', 'DR4', 'DME0', 'DME1', 'DME2', ''];
  const unlikely = labels.flatMap((row) => row.unlikely);
  const warning =
    unlikely.length === 0
      ? []
      : [
          `  ${unlikely.length} image(s) with DR 0 or 1 but DME above 0, which the official labels never have: ` +
            `${unlikely
              .slice(0, LISTED)
              .map((item) => item.id)
              .join(', ')}${unlikely.length > LISTED ? ', …' : ''}`,
        ];
  return ['Grades', ...table(header, rows), ...warning, ''];
}

function coverageLines({ coverage }: VerifyResult): string[] {
  if (coverage.length === 0) return [];
  const rows = coverage.map((row) => [
    row.split,
    `${row.structure} ${STRUCTURE_NAMES[row.structure]}`,
    `${row.files}/${row.images}`,
    row.official === null ? '' : String(row.official),
    String(row.empty),
    String(row.pixels),
    `${(100 * row.share).toFixed(3)} %`,
    `${(100 * row.largestShare).toFixed(2)} %`,
  ]);
  const header = ['split', 'structure', 'files', 'official', 'empty', 'pixels', 'coverage', 'largest'];
  return ['Masks', ...table(header, rows), ''];
}

function sizeLines({ sizes }: VerifyResult): string[] {
  if (sizes.length === 0) return [];
  const rows = sizes.map(({ part, split, width, height, items, odd }) => {
    const names = items.slice(0, LISTED).map((item) => item.id);
    const note = odd ? `not the usual size: ${names.join(', ')}${items.length > LISTED ? ', …' : ''}` : '';
    return [part, split, `${width}x${height}`, String(items.length), note];
  });
  return ['Image sizes', ...table(['part', 'split', 'size', 'images', ''], rows), ''];
}

function duplicateLines({ duplicates, source }: VerifyResult): string[] {
  const leaks = duplicates.filter((pair) => pair.leak);
  const copies = duplicates.filter((pair) => !pair.leak);
  const name = (pair: DuplicatePair) =>
    `  - ${relative(source, pair.first.imagePath)}  =  ${relative(source, pair.second.imagePath)}  (${pair.relation === 'identical' ? 'same file content' : 'looks the same'})`;
  const lines: string[] = [];
  if (leaks.length > 0) {
    lines.push(`LEAKS: ${leaks.length} pair(s) of the same picture in different splits; figures on them are worthless`);
    lines.push(...leaks.map(name), '');
  }
  if (copies.length > 0) {
    lines.push(`Copies within a split: ${copies.length} pair(s); kept on one side when validation is carved`);
    lines.push(...copies.slice(0, LISTED).map(name));
    if (copies.length > LISTED) lines.push(`  … and ${copies.length - LISTED} more`);
    lines.push('');
  }
  return lines;
}

function unusedLines({ unused }: VerifyResult): string[] {
  // Licenses and the like belong to the release; only what may be a misplaced file is worth a line.
  const odd = unused.filter((file) => file.reason !== 'not an image');
  if (odd.length === 0) return [];
  const byReason = new Map<string, string[]>();
  for (const { path, reason } of odd) byReason.set(reason, [...(byReason.get(reason) ?? []), path]);
  const lines = [`Files not used: ${odd.length}`];
  for (const [reason, paths] of byReason) lines.push(`  - ${paths.length} ${reason}, e.g. ${paths[0]}`);
  return [...lines, ''];
}

/** The result of `verifyDataset` as JSON: images by id, problems by code and message. */
export function verifyJson(result: VerifyResult): string {
  const { source, ok, leaky, coverage, unused, notes } = result;
  const findings = {
    source,
    ok,
    leaky,
    images: result.items.length,
    problems: result.problems.map(({ code, message }) => ({ code, message })),
    duplicates: result.duplicates.map((pair) => ({ ...pair, first: pair.first.id, second: pair.second.id })),
    labels: result.labels.map((row) => ({
      ...row,
      official: officialCounts(row.split),
      unlikely: row.unlikely.map((item) => item.id),
    })),
    // The JSON's key, from when all structures were called lesions.
    coverage: coverage.map(({ split, structure, ...rest }) => ({ split, lesion: structure, ...rest })),
    sizes: result.sizes.map((size) => ({ ...size, items: size.items.map((item) => item.id) })),
    unused,
    notes,
  };
  return JSON.stringify(findings, null, 2);
}

/** Columns padded to their widest cell; numbers are short, so everything is left-aligned. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column].length)));
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, column) => cell.padEnd(widths[column])).join('  ')}`.trimEnd();
  return [line(header), ...rows.map(line)];
}
