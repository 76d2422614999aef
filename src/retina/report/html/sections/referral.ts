/** The section on referrals: the rule, its operating point, and what its decisions come to. */
import type { ReportData } from '../data.ts';
import { html } from '../html.ts';
import { dataTable, figureTable, type Section } from '../parts.ts';

export function referralSection({ referral }: ReportData): Section | undefined {
  if (!referral) return undefined;
  const { note, figures, counts } = referral;
  return {
    id: 'referral',
    title: 'Referral',
    body: html`<p class="note">${note}</p>${
      figures.length > 0 &&
      html`<div class="columns"><div><h3>Decisions</h3>${counts && dataTable(counts)}</div><div><h3>Figures</h3>${figureTable('Referral: figures', figures)}</div></div>`
    }`,
  };
}
