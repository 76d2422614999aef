/** The sections that say how the figures came about: training, calibration, conventions, data, configuration, model card. */
import type { ChartList } from '../charts.ts';
import { CONVENTIONS } from '../card.ts';
import type { ModelCard, ReportData } from '../data.ts';
import { isNumber } from '../format.ts';
import { html, type Html } from '../html.ts';
import { dataTable, definitionList, details, type Section } from '../parts.ts';

export function trainingSection(data: ReportData, charts: ChartList): Section | undefined {
  const panels = (data.training ?? [])
    .map((panel) => ({
      ...panel,
      curves: panel.curves.filter(({ points }) => points.some(([, value]) => isNumber(value))),
    }))
    .filter(({ curves }) => curves.length > 0);
  if (panels.length === 0) return undefined;
  return {
    id: 'training',
    title: 'Training',
    body: html`<p class="note">Solid: validation, or measured once. Dashed: training.</p><div class="charts">${panels.map(
      (panel) =>
        charts.add(
          { kind: 'lines', panel },
          panel.title,
          `${panel.title} by ${panel.x}: ${panel.curves.map(({ name }) => name).join(', ')}`,
          panel.note,
        ),
    )}</div>`,
  };
}

export function calibrationSection(data: ReportData): Section | undefined {
  return data.calibration && { id: 'calibration', title: 'Calibration', body: dataTable(data.calibration) };
}

export function conventionsSection(data: ReportData): Section | undefined {
  const conventions = data.conventions ?? CONVENTIONS;
  if (conventions.length === 0) return undefined;
  return {
    id: 'conventions',
    title: 'How the figures are defined',
    body: html`<ul class="text">${conventions.map((one) => html`<li>${one}</li>`)}</ul>`,
  };
}

export function dataSection({ data }: ReportData): Section | undefined {
  if (!data) return undefined;
  const pairs: [string, string][] = [];
  if (data.trainedOn !== undefined) pairs.push(['the network was trained on', data.trainedOn]);
  if (data.source !== undefined) pairs.push(['source', data.source]);
  if (data.fingerprint !== undefined) pairs.push(['fingerprint', data.fingerprint]);
  return {
    id: 'data',
    title: 'Data',
    body: html`${pairs.length > 0 && definitionList(pairs)}${data.splits && dataTable(data.splits)}${
      data.notes &&
      data.notes.length > 0 &&
      html`<ul class="text">${data.notes.map((one) => html`<li>${one}</li>`)}</ul>`
    }`,
  };
}

export function setupSection({ configuration, environment }: ReportData): Section | undefined {
  const settings = configuration ? flatten(configuration) : [];
  const surroundings = environment ?? [];
  if (settings.length === 0 && surroundings.length === 0) return undefined;
  return {
    id: 'setup',
    title: 'Configuration and environment',
    body: html`${surroundings.length > 0 && definitionList(surroundings)}${
      settings.length > 0 && details(`Configuration: ${settings.length} settings`, definitionList(settings))
    }`,
  };
}

/** Nested settings as paths and values: `loss.diceWeight`, `1`. */
function flatten(settings: Readonly<Record<string, unknown>>, prefix = ''): [string, string][] {
  return Object.entries(settings).flatMap(([name, value]): [string, string][] => {
    const path = `${prefix}${name}`;
    if (value === undefined) return [];
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      return flatten(value as Record<string, unknown>, `${path}.`);
    }
    return [[path, typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))]];
  });
}

export function cardSection({ modelCard }: ReportData): Section | undefined {
  return modelCard && { id: 'model-card', title: 'Model card', body: cardBody(modelCard) };
}

function cardBody(card: ModelCard): Html {
  const part = (title: string, content: Html): Html => html`<h3>${title}</h3>${content}`;
  return html`<div class="text">
<p class="warning"><strong>Not a medical device.</strong> Nothing on this page may guide the diagnosis or treatment of a person.</p>
${part('Description', html`<p>${card.description}</p>`)}
${part('Intended use', html`<p>${card.intendedUse}</p>`)}
${part('Not intended for', html`<p>${card.notIntendedFor}</p>`)}
${part('Training data', html`<p>${card.trainingData}</p>`)}
${card.limits.length > 0 && part('Limits', html`<ul>${card.limits.map((one) => html`<li>${one}</li>`)}</ul>`)}
${part('License', html`<p>${card.licence}</p>`)}
${
  card.references.length > 0 &&
  part(
    'References',
    html`<ul>${card.references.map(({ text, url }) => html`<li>${text}${url && html` ${citation(url)}`}</li>`)}</ul>`,
  )
}
</div>`;
}

/** A link to a cited work; an address that is not https stays text. */
function citation(url: string): Html {
  return /^https:\/\//.test(url) ? html`<a href="${url}" rel="noopener noreferrer">${url}</a>` : html`${url}`;
}
