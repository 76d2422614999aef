/** A confusion matrix as a table of the page. */
import { GmtlError } from '../../../../engine/errors.ts';
import type { GradingData } from '../data.ts';
import { html, type Html } from '../html.ts';

/** Above this share of its row a cell is dark enough for light text. */
const DARK = 0.55;

/**
 * A confusion matrix as a table: rows truth, columns prediction, shaded by the share of the row, so that rare grades show as well
 * as frequent ones.
 * @throws GmtlError `report/confusion` when the counts are not square in the class names.
 */
export function confusionTable({ name, classNames, confusion }: GradingData): Html {
  const classes = classNames.length;
  if (confusion.length !== classes * classes) {
    throw new GmtlError(
      'report/confusion',
      `${name}: ${classes} class names need ${classes * classes} counts, got ${confusion.length}.`,
    );
  }
  const rows = classNames.map((label, row) => {
    const counts = Array.from({ length: classes }, (_, column) => confusion[row * classes + column]);
    const total = counts.reduce((sum, count) => sum + count, 0);
    return html`<tr><th scope="row">${label} <small>n = ${total}</small></th>${counts.map((count, column) => {
      const share = total === 0 ? 0 : count / total;
      return html`<td class="${share > DARK ? 'dark ' : ''}${row === column ? 'right' : ''}" style="--share:${(100 * share).toFixed(0)}%"><b>${count}</b>${total > 0 && html`<small>${Math.round(100 * share)} %</small>`}</td>`;
    })}</tr>`;
  });
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${name}: confusion matrix"><table class="confusion" aria-label="${name}: confusion matrix">
<thead><tr><th scope="col"><small>truth ↓ · predicted →</small></th>${classNames.map((label) => html`<th scope="col">${label}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div>
<p class="note">Shade: share of the row. The outlined diagonal is right.</p>`;
}
