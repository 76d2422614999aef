/** Tier: no adapter. Tables for a terminal. */
import { describe, expect, it } from 'vitest';
import { formatTable } from './table.ts';

describe('formatTable', () => {
  it('aligns text left and numbers right, without trailing blanks', () => {
    const table = formatTable(
      [{ header: 'lesion' }, { header: 'Dice' }, { header: 'images', digits: 0 }, { header: 'note' }],
      [
        ['MA', 0.38124, 27, 'weak'],
        ['OD', Number.NaN, 5, null],
      ],
    );
    expect(table.split('\n')).toEqual([
      'lesion   Dice  images  note',
      '──────  ─────  ──────  ────',
      'MA      0.381      27  weak',
      'OD        n/a       5',
    ]);
  });

  it('obeys the alignment asked for and counts characters, not UTF-16 units', () => {
    const table = formatTable(
      [{ header: 'a', align: 'right' }, { header: 'b' }],
      [
        ['µ👁', 'x'],
        ['long', 'y'],
      ],
    );
    expect(table.split('\n').slice(2)).toEqual(['  µ👁  x', 'long  y']);
  });

  it('rules a last column of sentences no farther than a line of a terminal goes', () => {
    const [, rule] = formatTable([{ header: 'a' }, { header: 'why' }], [['x', 'y'.repeat(300)]]).split('\n');
    expect(rule).toBe(`─  ${'─'.repeat(40)}`);
  });

  it('names the row with the wrong number of cells', () => {
    expect(() => formatTable([{ header: 'a' }], [['x'], ['y', 'z']])).toThrow(/row 1 has 2 cells for 1 columns/);
  });
});
