/** The section on uncertainty: risk against coverage. */
import type { ChartList } from '../charts.ts';
import type { ReportData } from '../data.ts';
import { html } from '../html.ts';
import type { Section } from '../parts.ts';

export function uncertaintySection({ uncertainty }: ReportData, charts: ChartList): Section | undefined {
  if (!uncertainty) return undefined;
  const { note, curves } = uncertainty;
  const title = 'Risk and coverage';
  const panel = { title, x: 'coverage', y: 'risk', scale: 'share', xScale: 'share', curves } as const;
  const words = curves.map(({ name, note: area }) => (area ? `${name} (${area})` : name)).join(', ');
  return {
    id: 'uncertainty',
    title: 'Uncertainty',
    body: html`<p class="note">${note}</p><div class="charts">${charts.add({ kind: 'lines', panel }, title, `Risk by coverage: ${words}`)}</div>`,
  };
}
