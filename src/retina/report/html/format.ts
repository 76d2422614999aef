/** Numbers and names as text of a page. */
import type { Figure } from '../../metrics/figures.ts';

/** What an undefined figure is shown as. */
const UNDEFINED = 'n/a';

/** Whether the value is a finite number. */
export function isNumber(value: number | null | undefined): value is number {
  return value !== null && value !== undefined && Number.isFinite(value);
}

/** A figure with three decimals, its leading zero kept; "n/a" where undefined. Tiny ones keep two significant digits. */
export function number(value: number | null | undefined, digits = 3): string {
  if (!isNumber(value)) return UNDEFINED;
  if (value !== 0 && Math.abs(value) < 0.5 * 10 ** -digits) return value.toExponential(1);
  return value.toFixed(digits).replace(/^-/, '−');
}

/** A table's cell: counts without decimals, other numbers with three. */
export function cell(value: string | number | null): string {
  if (typeof value === 'string') return value;
  return isNumber(value) && Number.isInteger(value) ? String(value).replace(/^-/, '−') : number(value);
}

/** `0.650 – 0.771`, or undefined without an interval. */
export function intervalOf(figure: Figure, digits = 3): string | undefined {
  return isNumber(figure.low) && isNumber(figure.high)
    ? `${number(figure.low, digits)} – ${number(figure.high, digits)}`
    : undefined;
}

export function percent(share: number | null | undefined, digits = 0): string {
  return isNumber(share) ? `${(100 * share).toFixed(digits)} %` : UNDEFINED;
}

/** Short stable identifier for anchors. */
export function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}
