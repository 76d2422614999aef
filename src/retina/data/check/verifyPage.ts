/** What `gmtl data verify` found, as tables of one page. */
import { relative } from 'node:path';
import { STRUCTURE_NAMES } from '../../domain.ts';
import { officialCounts, type VerifyResult } from './verify.ts';
import type { TableData } from '../../report/html/data.ts';

/** Writes the findings as one HTML page. */
export async function writeVerifyPage(path: string, result: VerifyResult): Promise<void> {
  // The report code loads a chart library: only where it is used.
  const { writeTablePage } = await import('../../report/html/report.ts');
  const leaks = result.duplicates.filter((pair) => pair.leak).length;
  await writeTablePage(path, {
    title: 'Data set check',
    subtitle: `${result.source}: ${result.items.length} images`,
    verdict: {
      good: result.ok,
      text: result.ok
        ? 'No problems, and no picture stands in two splits.'
        : `${result.problems.length} problem(s), ${leaks} leak(s) between splits.`,
    },
    tables: verifyTables(result).filter(({ rows }) => rows.length > 0),
  });
}

const percent = (share: number): string => `${(100 * share).toFixed(3)} %`;

function verifyTables(result: VerifyResult): TableData[] {
  const name = (path: string): string => relative(result.source, path) || path;
  return [
    {
      title: 'Problems',
      columns: ['kind', 'what'],
      rows: result.problems.map(({ code, message }) => [code, message]),
      marked: result.problems.map((_, index) => index),
    },
    {
      title: 'Copies of one picture',
      note: 'A picture in two splits is a leak: what was trained on would be measured on.',
      columns: ['first', 'second', 'relation', 'leak'],
      rows: result.duplicates.map(({ first, second, relation, leak }) => [
        first.id,
        second.id,
        relation,
        leak ? 'LEAK' : 'within a split',
      ]),
      marked: result.duplicates.flatMap(({ leak }, index) => (leak ? [index] : [])),
    },
    {
      title: 'Grades',
      columns: ['split', 'images', 'DR 0', '1', '2', '3', '4', 'DME 0', '1', '2', 'official'],
      rows: result.labels.map(({ split, images, retinopathy, edema }) => {
        const official = officialCounts(split);
        const text = official ? `${official.retinopathy.join(', ')} / ${official.edema.join(', ')}` : '';
        return [split, images, ...retinopathy, ...edema, text];
      }),
    },
    {
      title: 'Masks',
      columns: ['split', 'structure', 'files', 'official', 'empty', 'pixels', 'coverage', 'fullest mask'],
      rows: result.coverage.map((row) => [
        row.split,
        `${row.structure} ${STRUCTURE_NAMES[row.structure]}`,
        `${row.files} of ${row.images}`,
        row.official,
        row.empty,
        row.pixels,
        percent(row.share),
        percent(row.largestShare),
      ]),
    },
    {
      title: 'Image sizes',
      columns: ['part', 'split', 'size', 'images', 'usual'],
      rows: result.sizes.map(({ part, split, width, height, items, odd }) => [
        part,
        split,
        `${width}x${height}`,
        items.length,
        odd ? 'odd' : 'yes',
      ]),
      marked: result.sizes.flatMap(({ odd }, index) => (odd ? [index] : [])),
    },
    {
      title: 'Unlikely grades',
      note: 'Retinopathy grade 0 or 1 with an edema risk: the official labels have none.',
      columns: ['image', 'DR', 'DME'],
      rows: result.labels.flatMap(({ unlikely }) =>
        unlikely.map(({ id, retinopathy, edema }) => [id, retinopathy, edema]),
      ),
    },
    {
      title: 'Files not used',
      columns: ['file', 'reason'],
      rows: result.unused.map(({ path, reason }) => [name(path), reason]),
    },
    { title: 'Notes', columns: ['note'], rows: result.notes.map((note) => [note]) },
  ];
}
