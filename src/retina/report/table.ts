/** Tables for the terminal. */
import { GmtlError } from '../../engine/errors.ts';

/** A column of {@link formatTable}. */
export type Column = {
  readonly header: string;
  /** Default: right for a column whose cells are all numbers or empty, else left. */
  readonly align?: 'left' | 'right';
  /** Decimals of numbers; 0 for integers. Default 3. */
  readonly digits?: number;
};

/** A cell: text, a number, or null for "nothing to show". NaN (an undefined metric) prints as "n/a". */
export type Cell = string | number | null;

/** A rule under a last column of sentences ends here: it would fill several lines of a terminal. */
const LONGEST_LAST_RULE = 40;

/**
 * Lines up rows under their headers for a terminal, two spaces between columns, a rule under the header, no trailing blanks.
 * @throws GmtlError `report/table` naming the row whose number of cells differs from the number of columns.
 */
export function formatTable(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row, index) => {
    if (row.length !== columns.length) {
      throw new GmtlError('report/table', `Table row ${index} has ${row.length} cells for ${columns.length} columns.`);
    }
    return row.map((cell, column) => cellText(cell, columns[column].digits ?? 3));
  });
  const widths = columns.map((column, index) =>
    Math.max(width(column.header), ...texts.map((row) => width(row[index]))),
  );
  const isRight = columns.map(
    (column, index) =>
      (column.align ?? (rows.length > 0 && rows.every((row) => typeof row[index] !== 'string') ? 'right' : 'left')) ===
      'right',
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => {
        const padding = ' '.repeat(widths[index] - width(cell));
        return isRight[index] ? padding + cell : cell + padding;
      })
      .join('  ')
      .trimEnd();
  const ruleOf = (size: number, index: number): string =>
    '─'.repeat(index === widths.length - 1 && !isRight[index] ? Math.min(size, LONGEST_LAST_RULE) : size);
  return [line(columns.map((column) => column.header)), line(widths.map(ruleOf)), ...texts.map(line)].join('\n');
}

function cellText(cell: Cell, digits: number): string {
  if (cell === null) return '';
  if (typeof cell === 'string') return cell;
  return Number.isNaN(cell) ? 'n/a' : cell.toFixed(digits);
}

/** Characters as a terminal counts them, not UTF-16 units. */
function width(text: string): number {
  return [...text].length;
}
