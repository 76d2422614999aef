/** The sections with figures: summary, grading, segmentation, gate. */
import { structureInText } from '../../../domain.ts';
import type { Figure, NamedFigure } from '../../../metrics/figures.ts';
import type { ChartList } from '../charts.ts';
import type { Curve, GateData, GradingData, Reliability, ReportData, SegmentationData } from '../data.ts';
import { intervalOf, isNumber, number, percent } from '../format.ts';
import { html, type Html } from '../html.ts';
import { figureCell, figureTable, rangeBar, scrollTable, type Section } from '../parts.ts';
import { confusionTable } from './confusion.ts';

/** The cards at the head of the page. */
export function headline(data: ReportData): Html | undefined {
  if (!data.headline || data.headline.length === 0) return undefined;
  return html`<ul class="headline">${data.headline.map((one) => {
    const interval = intervalOf(one.figure);
    return html`<li><span class="label">${one.label}</span><strong>${number(one.figure.value)}</strong>${rangeBar(one)}<span class="interval">${interval ? html`95 %: ${interval}` : isNumber(one.figure.value) ? '' : 'not defined on this data'}</span>${one.note && html`<span class="note">${one.note}</span>`}</li>`;
  })}</ul>`;
}

export function summarySection(data: ReportData): Section | undefined {
  const groups = (data.summary ?? []).filter((group) => group.figures.length > 0);
  if (groups.length === 0) return undefined;
  return {
    id: 'summary',
    title: 'Summary',
    body: html`<div class="columns">${groups.map((group) => html`<div><h3>${group.title}</h3>${figureTable(group.title, group.figures)}</div>`)}</div>`,
  };
}

export function gradingSections(data: ReportData, charts: ChartList): Section[] {
  return (data.grading ?? []).map((grading, index) => ({
    id: `grading-${index + 1}`,
    title: grading.name,
    body: gradingBody(grading, charts),
  }));
}

function gradingBody(grading: GradingData, charts: ChartList): Html {
  const { classes } = grading;
  const columns = columnsOf(classes);
  return html`<p class="note">${grading.cases} graded images.${grading.note && ` ${grading.note}`}</p>
<div class="columns">
<div><h3>Confusion matrix</h3>${confusionTable(grading)}</div>
<div><h3>Figures</h3>${figureTable(`${grading.name}: figures`, grading.figures)}</div>
</div>
<h3>By grade</h3>
${scrollTable(
  `${grading.name}: figures by grade`,
  ['Grade', 'Images', ...columns.map(({ label }) => label)],
  classes.map(
    (one) =>
      html`<tr><th scope="row">${one.name}</th><td class="number">${one.support}</td>${columns.map(({ key }) => figureCell(figureIn(one, key)))}</tr>`,
  ),
)}
<div class="charts">
${barChart(
  charts,
  ['sensitivity', 'specificity', 'f1'],
  'By grade, with 95 % intervals',
  classes.map(({ name, figures }) => ({ name, figures })),
  `${grading.name} by grade`,
)}
${reliabilityCharts(grading.reliability, charts)}
${
  grading.roc &&
  grading.roc.length > 0 &&
  charts.add(
    {
      kind: 'lines',
      panel: {
        title: 'ROC',
        x: '1 − specificity',
        y: 'sensitivity',
        scale: 'share',
        xScale: 'share',
        curves: grading.roc,
      },
      reference: [
        [0, 0],
        [1, 1],
      ],
    },
    'Receiver operating characteristics',
    `Receiver operating characteristics: ${curveNames(grading.roc)}`,
  )
}
</div>`;
}

interface Row {
  readonly figures: readonly NamedFigure[];
}

/** The figures that at least one row has, in order: the columns of a table. */
function columnsOf(rows: readonly Row[]): NamedFigure[] {
  return [...new Map(rows.flatMap(({ figures }) => figures).map((one) => [one.key, one])).values()];
}

function figureIn({ figures }: Row, key: string | undefined): Figure | undefined {
  return figures.find((one) => one.key === key)?.figure;
}

/** Rows' figures as bars in groups, described in words as "Sensitivity: 0 none 0.71, 1 mild 0.20, …"; nothing where no row has them. */
function barChart(
  charts: ChartList,
  keys: readonly string[],
  title: string,
  rows: readonly (Row & { readonly name: string })[],
  what = title,
): Html | undefined {
  const shown = columnsOf(rows).filter(({ key }) => key !== undefined && keys.includes(key));
  if (shown.length === 0) return undefined;
  const categories = rows.map(({ name }) => name);
  const series = shown.map(({ key, label }) => ({
    name: label,
    values: rows.map((one) => figureIn(one, key) ?? { value: null }),
  }));
  const words = series.map(
    ({ name, values }) =>
      `${name}: ${values.map((one, index) => `${categories[index]} ${number(one.value)}`).join(', ')}`,
  );
  return charts.add({ kind: 'bars', categories, series }, title, `Bar chart, ${what}. ${words.join('; ')}.`);
}

function curveNames(curves: readonly Curve[]): string {
  return curves.map(({ name, note }) => (note ? `${name} (${note})` : name)).join(', ');
}

function reliabilityCharts(plots: readonly Reliability[] | undefined, charts: ChartList): Html[] {
  return (plots ?? [])
    .filter(({ bins }) => bins.some(({ count }) => count > 0))
    .map((plot) => {
      const interval = intervalOf(plot.ece);
      const error = `expected calibration error ${number(plot.ece.value)}${interval ? ` (${interval})` : ''}`;
      return charts.add(
        { kind: 'reliability', bins: plot.bins },
        plot.title,
        `Reliability diagram, ${plot.title}: ${error}`,
        `${error}${plot.note ? `. ${plot.note}` : ''}`,
      );
    });
}

export function segmentationSection(data: ReportData, charts: ChartList): Section | undefined {
  const { segmentation } = data;
  if (!segmentation || segmentation.structures.length === 0) return undefined;
  return { id: 'segmentation', title: 'Segmentation', body: segmentationBody(segmentation, charts) };
}

function segmentationBody({ structures, figures, note }: SegmentationData, charts: ChartList): Html {
  const columns = columnsOf(structures);
  const hasThresholds = structures.some((one) => one.threshold !== undefined);
  const hasImages = structures.some((one) => one.images !== undefined);
  const rows = structures.map(({ structure, figures: own }) => ({ name: structure, figures: own }));
  const bars = (keys: readonly string[], title: string): Html | undefined => barChart(charts, keys, title, rows);
  const curves = (key: 'precisionRecall' | 'froc'): Curve[] =>
    structures.flatMap((one): Curve[] => {
      const points = one[key];
      const area = figureIn(one, 'averagePrecision')?.value;
      const aupr = key === 'precisionRecall' && isNumber(area) ? number(area, 2) : undefined;
      return points && points.length > 0
        ? [{ name: one.structure, lesion: one.structure, points, ...(aupr && { note: `AUPR ${aupr}` }) }]
        : [];
    });
  const [precisionRecall, froc] = [curves('precisionRecall'), curves('froc')];
  return html`${note && html`<p class="note">${note}</p>`}
${figures && figures.length > 0 && html`<div class="narrow">${figureTable('Segmentation: figures', figures)}</div>`}
${scrollTable(
  'Segmentation by structure',
  [
    'Structure',
    ...columns.map(({ label }) => label),
    ...(hasThresholds ? ['Threshold'] : []),
    ...(hasImages ? ['Images (both empty)'] : []),
  ],
  structures.map(
    (one) =>
      html`<tr><th scope="row"><i class="swatch" data-lesion="${one.structure}"></i>${one.structure} <small>${structureInText(one.structure)}</small></th>${columns.map(({ key }) => figureCell(figureIn(one, key)))}${hasThresholds && html`<td class="number">${number(one.threshold, 2)}</td>`}${hasImages && html`<td class="number">${one.images ?? ''}${one.emptyImages !== undefined && ` (${one.emptyImages})`}</td>`}</tr>`,
  ),
)}
<div class="charts">
${bars(['dice', 'perImageDice'], 'Dice with 95 % intervals')}
${bars(['iou', 'perImageIou'], 'IoU with 95 % intervals')}
${bars(['averagePrecision', 'auprc11'], 'Area under precision and recall, exact and at 11 thresholds')}
${bars(['sensitivity', 'ppv', 'meanSensitivity'], 'Sensitivity and positive predictive value')}
${precisionRecall.length > 0 && charts.add({ kind: 'lines', panel: { title: 'Precision and recall', x: 'recall', y: 'precision', scale: 'share', xScale: 'share', curves: precisionRecall } }, 'Precision and recall of pixels', `Precision-recall curves: ${curveNames(precisionRecall)}`)}
${froc.length > 0 && charts.add({ kind: 'lines', panel: { title: 'FROC', x: 'false positives per image', y: 'lesion sensitivity', scale: 'share', xScale: 'log', curves: froc } }, 'FROC: lesions found against false alarms', `Free-response operating characteristics: ${curveNames(froc)}`)}
</div>`;
}

export function gateSection(data: ReportData, charts: ChartList): Section | undefined {
  return data.gate && { id: 'gate', title: 'Gate', body: gateBody(data.gate, charts) };
}

/** The most misrouted images on a page. */
const MOST_MISROUTES = 200;

function gateBody(gate: GateData, charts: ChartList): Html {
  const misrouted = gate.misroutes
    .slice(0, MOST_MISROUTES)
    .map(
      (one) =>
        html`<tr><th scope="row" class="name">${one.id}</th><td>${one.truth}</td><td>${one.routed}</td><td class="number">${percent(one.probability, 1)}</td></tr>`,
    );
  return html`<p class="note">The gate tells from pooled features, or from what the masks find, whether an image is for segmentation or for grading. ${gate.cases} images.${gate.note && ` ${gate.note}`}</p>
<div class="columns">
<div><h3>Figures</h3>${figureTable('Gate: figures', gate.figures)}
<h3>Routes</h3>${scrollTable(
    'Routes of the gate',
    ['Route', 'Belong there', 'Sent there', 'Mean probability'],
    gate.routes.map(
      (one) =>
        html`<tr><th scope="row">${one.name}</th><td class="number">${one.truth}</td><td class="number">${one.routed}</td><td class="number">${number(one.meanProbability)}</td></tr>`,
    ),
  )}</div>
<div class="charts single">${reliabilityCharts(gate.reliability, charts)}</div>
</div>
<h3>Misrouted images</h3>
${
  misrouted.length === 0
    ? html`<p class="note">None: every image went where it belongs.</p>`
    : html`<p class="note">${gate.misroutes.length} of ${gate.cases}, the most confident mistakes first.${gate.misroutes.length > misrouted.length && ` The first ${misrouted.length} are shown.${gate.misroutesFile ? ` ${gate.misroutesFile} beside this page has all.` : ''}`}</p><div class="tall">${scrollTable('Misrouted images', ['Image', 'Belongs to', 'Sent to', 'Confidence'], misrouted, [false, false, false, true])}</div>`
}`;
}
