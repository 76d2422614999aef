/** Reads IDRiD's grading tables. */
import { readFile } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';
import { GmtlError } from '../../../engine/errors.ts';
import { printableLine } from '../../../engine/printable.ts';
import { GRADE_COUNTS } from '../../domain.ts';

/** One row of a grading CSV. */
export interface GradingRow {
  /** Without folder and extension, e.g. `IDRiD_001`. */
  readonly image: string;
  readonly retinopathy: number;
  readonly edema: number;
  /** 1-based line in the file. */
  readonly line: number;
}

/** The lower-case stem of an image name: how files and CSV rows are matched. */
export function imageKey(name: string): string {
  return name
    .replace(/^.*[\\/]/, '')
    .replace(/\.(jpe?g|png|tiff?)$/i, '')
    .trim()
    .toLowerCase();
}

/**
 * The text of a table, whatever a spreadsheet wrote it as: UTF-8, UTF-16 (by its byte order mark, or its zero bytes), else Windows-1252.
 * null where the file cannot be read, which goes to the problems.
 */
export async function readTable(path: string, problems: GmtlError[]): Promise<string | null> {
  try {
    return decodeText(await readFile(path));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    problems.push(new GmtlError('data/csv-unreadable', `Cannot read the grading table ${path}: ${reason}.`, { cause }));
    return null;
  }
}

/** How a text file is encoded by its first bytes: a byte order mark, or the zeros of UTF-16. */
export function encodingOf(bytes: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  const [first, second = 1] = bytes;
  if ((first === 0xff && second === 0xfe) || (second === 0 && first !== 0)) return 'utf-16le';
  if ((first === 0xfe && second === 0xff) || (first === 0 && second !== 0)) return 'utf-16be';
  return 'utf-8';
}

/** A table's text: see {@link readTable}. */
export function decodeText(bytes: Uint8Array): string {
  const encoding = encodingOf(bytes);
  if (encoding !== 'utf-8') return new TextDecoder(encoding).decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** The separator of a table's columns: of comma, semicolon and tab the one that is most frequent in its header. */
export function separatorOf(text: string): string {
  // What stands in quotes belongs to a column's name.
  const header = text.split(/\r?\n/, 1)[0].replace(/"[^"]*"/g, '');
  const count = (separator: string) => header.split(separator).length;
  return [';', '\t'].reduce((best, other) => (count(other) > count(best) ? other : best), ',');
}

/** True when the text starts like an IDRiD grading CSV (the localization CSVs have other columns). */
export function looksLikeGradingCsv(text: string): boolean {
  const header = text.replace(/^\uFEFF/, '').split(/\r?\n/, 1)[0];
  return /image\s*name/i.test(header) && /retinopathy\s*grade/i.test(header);
}

/**
 * Reads an IDRiD grading CSV as it is distributed and as spreadsheets write it: with or without byte order mark, CRLF or LF, spaces
 * around headers and cells, empty columns at the end, blank rows; separated by commas, semicolons or tabs; UTF-8 or UTF-16.
 *
 * @param text the content if it was read already.
 * @throws GmtlError naming the file and the row: `data/csv-unreadable`, `data/csv-columns`, `data/csv-grade` (missing, not an
 *   integer or out of range), `data/csv-duplicate` (the same image twice), `data/csv-empty`.
 */
export async function readGradingCsv(path: string, text?: string): Promise<GradingRow[]> {
  const problems: GmtlError[] = [];
  const rows = await scanGradingCsv(path, problems, text);
  if (problems.length > 0) throw problems[0];
  return rows;
}

interface CsvRecord {
  readonly record: string[];
  readonly info: { readonly lines: number };
}

/** As `readGradingCsv`, but collects the problems and goes on with the good rows. */
export async function scanGradingCsv(path: string, problems: GmtlError[], text?: string): Promise<GradingRow[]> {
  let records: CsvRecord[];
  try {
    const content = text ?? (await readTable(path, problems));
    if (content === null) return [];
    // A row of separators only is a blank row too: relax the column count and drop those below.
    const options = {
      bom: true,
      trim: true,
      relax_column_count: true,
      info: true,
      delimiter: separatorOf(content),
    } as const;
    records = parse(content, options) as unknown as CsvRecord[];
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    problems.push(new GmtlError('data/csv-unreadable', `Cannot read the grading table ${path}: ${reason}.`, { cause }));
    return [];
  }
  records = records.filter((row) => row.record.some((cell) => cell !== ''));
  const header = records.shift()?.record.map((cell) => cell.replace(/\s+/g, ' ').toLowerCase()) ?? [];
  const columns = {
    image: header.indexOf('image name'),
    retinopathy: header.indexOf('retinopathy grade'),
    edema: header.findIndex((cell) => cell.startsWith('risk of macular')),
  };
  const missing = Object.entries(columns).filter(([, index]) => index < 0);
  if (missing.length > 0) {
    problems.push(
      new GmtlError(
        'data/csv-columns',
        `${path}, line 1: no column for ${missing.map(([name]) => name).join(', ')}. The header must name ` +
          `"Image name,Retinopathy grade,Risk of macular edema"; found: ${
            printableLine(
              header
                .filter((cell) => cell !== '')
                .join(', ')
                .slice(0, 200),
            ) || 'nothing'
          }. Save it as CSV with commas.`,
      ),
    );
    return [];
  }
  const rows: GradingRow[] = [];
  const seen = new Map<string, number>();
  for (const { record, info } of records) {
    const line = info.lines;
    const image = (record[columns.image] ?? '').replace(/\.(jpe?g|png|tiff?)$/i, '');
    if (image === '') {
      problems.push(
        new GmtlError(
          'data/csv-grade',
          `${path}, line ${line}: grades without an image name. Fill in the name or delete the row.`,
        ),
      );
      continue;
    }
    const retinopathy = gradeInCell(record[columns.retinopathy], GRADE_COUNTS.retinopathy);
    const edema = gradeInCell(record[columns.edema], GRADE_COUNTS.edema);
    if (retinopathy === null || edema === null) {
      const [what, cell, last] =
        retinopathy === null
          ? ['Retinopathy grade', record[columns.retinopathy], GRADE_COUNTS.retinopathy - 1]
          : ['Risk of macular edema', record[columns.edema], GRADE_COUNTS.edema - 1];
      problems.push(
        new GmtlError(
          'data/csv-grade',
          `${path}, line ${line} (${image}): ${what} is "${printableLine(cell ?? '')}", not an integer from 0 to ${last}. Correct the cell or delete the row.`,
        ),
      );
      continue;
    }
    const key = imageKey(image);
    const earlier = seen.get(key);
    if (earlier !== undefined) {
      problems.push(
        new GmtlError(
          'data/csv-duplicate',
          `${path}, line ${line}: ${image} was graded in line ${earlier} already. Keep one of the two rows.`,
        ),
      );
      continue;
    }
    seen.set(key, line);
    rows.push({ image, retinopathy, edema, line });
  }
  if (rows.length === 0 && problems.length === 0) {
    problems.push(
      new GmtlError('data/csv-empty', `${path} has a header but no rows. Unpack the original table again.`),
    );
  }
  return rows;
}

/** The grade in a cell, null if it does not hold one. `3.0` and `3,0` are what spreadsheets make of 3. */
export function gradeInCell(cell: string | undefined, count: number): number | null {
  if (cell === undefined || !/^\d+([.,]0+)?$/.test(cell)) return null;
  const value = Number.parseInt(cell, 10);
  return value < count ? value : null;
}
