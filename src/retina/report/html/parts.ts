/** Pieces that several sections of a page are made of. */
import type { Figure, NamedFigure } from '../../metrics/figures.ts';
import type { TableData } from './data.ts';
import { cell, intervalOf, isNumber, number } from './format.ts';
import { html, type Html, type Insert } from './html.ts';

/** A section of the page with its entry in the table of contents. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: Html;
}

/** `0.712` over `0.650 – 0.771`, for a table cell. */
export function figureCell(figure: Figure | undefined): Html {
  if (figure === undefined) return html`<td class="number"></td>`;
  const interval = intervalOf(figure);
  return html`<td class="number">${number(figure.value)}${interval && html` <small class="interval">${interval}</small>`}</td>`;
}

/** The interval drawn on its scale; nothing without an interval. It repeats the text beside it, so screen readers skip it. */
export function rangeBar({ figure, range = [0, 1] }: NamedFigure): Html | undefined {
  if (!isNumber(figure.value) || !isNumber(figure.low) || !isNumber(figure.high)) return undefined;
  const at = (value: number): string =>
    (100 * Math.min(1, Math.max(0, (value - range[0]) / (range[1] - range[0])))).toFixed(2);
  const [low, high, value] = [at(figure.low), at(figure.high), at(figure.value)];
  return html`<svg class="range" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" x="0" y="3" width="100" height="2"/><rect class="span" x="${low}" y="2" width="${Math.max(0.8, Number(high) - Number(low)).toFixed(2)}" height="4"/><rect class="value" x="${(Number(value) - 0.6).toFixed(2)}" y="0" width="1.2" height="8"/></svg>`;
}

/** A table that scrolls within itself when it is wider than the page. @param numeric the columns with right-aligned heads; default: all but the first. */
export function scrollTable(
  caption: string,
  head: readonly Insert[],
  rows: readonly Html[],
  numeric?: readonly boolean[],
): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table aria-label="${caption}">
<thead><tr>${head.map((one, column) => html`<th scope="col"${(numeric?.[column] ?? column > 0) && html` class="number"`}>${one}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

/** A {@link TableData} as HTML; the first column heads its row. */
export function dataTable(table: TableData): Html {
  const marked = new Set(table.marked ?? []);
  const numeric = table.columns.map(
    (_, column) => table.rows.length > 0 && table.rows.every((row) => typeof row[column] !== 'string'),
  );
  const rows = table.rows.map(
    (row, index) =>
      html`<tr${marked.has(index) && html` class="marked"`}>${row.map((one, column) =>
        column === 0
          ? html`<th scope="row">${cell(one)}</th>`
          : html`<td${numeric[column] && html` class="number"`}>${cell(one)}</td>`,
      )}</tr>`,
  );
  return html`${table.title && html`<h3>${table.title}</h3>`}${table.note && html`<p class="note">${table.note}</p>`}
${rows.length === 0 ? html`<p class="note">Nothing to list.</p>` : scrollTable(table.title ?? 'Table', table.columns, rows, numeric)}`;
}

/** Figures in a table: name, value with interval, range bar, note. */
export function figureTable(title: string, figures: readonly NamedFigure[]): Html {
  return scrollTable(
    title,
    ['Figure', 'Value', '95 % interval', ''],
    figures.map(
      (one) =>
        html`<tr><th scope="row">${one.label}${one.better === 'low' && html` <span class="hint" title="lower is better">↓</span>`}${one.note && html`<small>${one.note}</small>`}</th><td class="number">${number(one.figure.value)}</td><td class="number interval">${intervalOf(one.figure) ?? ''}</td><td class="bar">${rangeBar(one)}</td></tr>`,
    ),
  );
}

/** Content that opens on demand. */
export function details(summary: string, content: Html): Html {
  return html`<details><summary>${summary}</summary>${content}</details>`;
}

/** Names and values in two columns. */
export function definitionList(pairs: readonly (readonly [string, string])[]): Html {
  return html`<dl class="pairs">${pairs.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
