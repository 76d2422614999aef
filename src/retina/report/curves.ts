/** Training curves as a picture. */
import type { EChartsOption, LegendComponentOption, LineSeriesOption } from 'echarts';
import { GmtlError } from '../../engine/errors.ts';
import { lineColor } from './colors.ts';
import { chartToPng, INK, PALETTE } from './svg.ts';

/** What one pass over a split measured. NaN leaves a gap; lines continue across epochs that were not measured. */
export type SplitValues = {
  readonly loss?: number;
  /** Parts of the loss by name, say `segmentation`, `DR grade`, `gate`. */
  readonly lossParts?: Readonly<Record<string, number>>;
  /** Dice by structure. */
  readonly dice?: Readonly<Record<string, number>>;
  /** Classification accuracy by task, say `DR`, `DME`, `joint`. */
  readonly accuracy?: Readonly<Record<string, number>>;
  readonly gateAccuracy?: number;
};

/** One epoch of a training run. */
export type EpochRow = {
  readonly epoch: number;
  readonly learningRate?: number;
  readonly train?: SplitValues;
  readonly validation?: SplitValues;
};

export type CurveOptions = {
  readonly title?: string;
  /** Pixels per CSS pixel; the picture is 1260 × 980 CSS pixels. Default 1.5. */
  readonly scale?: number;
};

/** One line of a {@link Panel}; values by row. */
export type Line = {
  readonly name: string;
  readonly color: string;
  readonly dashed: boolean;
  readonly values: (number | undefined)[];
};
/** One set of axes. */
export type Panel = { readonly title: string; readonly unit: 'loss' | 'share' | 'rate'; readonly lines: Line[] };

const WIDTH = 1260;
const HEADER = 64;
const PANEL = { width: 600, height: 300, left: 46, right: 14, top: 64, bottom: 46 } as const;

/**
 * Draws the six training curves as a PNG: total loss, its parts, Dice per structure, classification accuracy, gate accuracy and
 * learning rate. Validation is drawn solid and training dashed, in one color per quantity. Panels without a value say so.
 * @throws GmtlError `report/empty` without rows, `report/epochs` when epochs do not rise.
 */
export function renderCurves(rows: readonly EpochRow[], options: CurveOptions = {}): Buffer {
  return renderPanels(rows, panelsOf, options.title ?? 'Training curves', options.scale ?? 1.5);
}

/** Panels two by two under one title; see {@link renderCurves}. @throws as {@link renderCurves}. */
export function renderPanels(
  rows: readonly EpochRow[],
  panelsOfRows: (rows: readonly EpochRow[]) => Panel[],
  title: string,
  scale: number,
): Buffer {
  if (rows.length === 0) throw new GmtlError('report/empty', 'Training curves need at least one epoch.');
  rows.forEach((row, index) => {
    if (index > 0 && !(row.epoch > rows[index - 1].epoch)) {
      throw new GmtlError(
        'report/epochs',
        `Training curves: row ${index} has epoch ${row.epoch} after ${rows[index - 1].epoch}; sort the rows and drop repeats.`,
      );
    }
  });
  const panels = panelsOfRows(rows);
  const height = HEADER + Math.ceil(panels.length / 2) * PANEL.height + 8;
  return chartToPng(optionOf(rows, panels, title), WIDTH, height, scale);
}

/** A quantity in validation (solid) and in training (dashed), in one color. */
export function pairedLines(
  rows: readonly EpochRow[],
  name: string,
  color: string,
  pick: (values: SplitValues) => number | undefined,
): Line[] {
  const split = (which: 'train' | 'validation') =>
    rows.map((row) => (row[which] === undefined ? undefined : pick(row[which])));
  return [
    { name: label(name, 'validation'), color, dashed: false, values: split('validation') },
    { name: label(name, 'train'), color, dashed: true, values: split('train') },
  ];
}

function panelsOf(rows: readonly EpochRow[]): Panel[] {
  const pair = (name: string, color: string, pick: (values: SplitValues) => number | undefined): Line[] =>
    pairedLines(rows, name, color, pick);
  const group = (
    pick: (values: SplitValues) => Readonly<Record<string, number>> | undefined,
    colorOf: (name: string, index: number) => string,
  ): Line[] => {
    const names = new Set<string>();
    for (const row of rows) {
      for (const values of [row.train, row.validation]) {
        for (const name of Object.keys((values && pick(values)) ?? {})) names.add(name);
      }
    }
    return [...names].flatMap((name, index) => pair(name, colorOf(name, index), (values) => pick(values)?.[name]));
  };
  const byIndex = (_: string, index: number): string => PALETTE[index % PALETTE.length];
  const rate = {
    name: 'learning rate',
    color: PALETTE[0],
    dashed: false,
    values: rows.map((row) => row.learningRate),
  };
  const panels: Panel[] = [
    { title: 'Total loss', unit: 'loss', lines: pair('', PALETTE[0], (values) => values.loss) },
    { title: 'Loss by part', unit: 'loss', lines: group((values) => values.lossParts, byIndex) },
    {
      title: 'Segmentation Dice by lesion',
      unit: 'share',
      lines: group(
        (values) => values.dice,
        (name, index) => lineColor(name) ?? byIndex(name, index),
      ),
    },
    { title: 'Classification accuracy', unit: 'share', lines: group((values) => values.accuracy, byIndex) },
    { title: 'Gate accuracy', unit: 'share', lines: pair('', PALETTE[0], (values) => values.gateAccuracy) },
    { title: 'Learning rate', unit: 'rate', lines: [rate] },
  ];
  return panels.map((panel) => ({ ...panel, lines: panel.lines.filter((line) => line.values.some(Number.isFinite)) }));
}

function label(name: string, split: string): string {
  return name === '' ? split : `${name} ${split}`;
}

function optionOf(rows: readonly EpochRow[], panels: readonly Panel[], title: string): EChartsOption {
  const origin = (index: number): { x: number; y: number } => ({
    x: 20 + (index % 2) * (PANEL.width + 20),
    y: HEADER + Math.floor(index / 2) * PANEL.height,
  });
  const epochs = rows.map((row) => row.epoch);
  // A lone epoch would sit on a zero-length axis.
  const [first, last] = rows.length === 1 ? [epochs[0] - 1, epochs[0] + 1] : [epochs[0], epochs[epochs.length - 1]];
  const axisText = { color: INK.muted, fontSize: 11 };
  return {
    title: [
      {
        text: title,
        subtext: 'solid: validation · dashed: train',
        left: 20,
        top: 12,
        itemGap: 4,
        textStyle: { fontSize: 18, fontWeight: 'bold', color: INK.text },
        subtextStyle: { fontSize: 12, color: INK.muted },
      },
      ...panels.map((panel, index) => ({
        text: panel.title,
        subtext: panel.lines.length === 0 ? 'not measured in this run' : '',
        left: origin(index).x,
        top: origin(index).y + 8,
        textStyle: { fontSize: 14, fontWeight: 'bold' as const, color: INK.text },
        subtextStyle: { fontSize: 11, color: INK.muted },
      })),
    ],
    legend: panels.flatMap((panel, index) => legendOf(panel, index, origin(index))),
    grid: panels.map((_, index) => ({
      left: origin(index).x + PANEL.left,
      top: origin(index).y + PANEL.top,
      width: PANEL.width - PANEL.left - PANEL.right,
      height: PANEL.height - PANEL.top - PANEL.bottom,
    })),
    xAxis: panels.map((panel, index) => ({
      gridIndex: index,
      show: panel.lines.length > 0,
      type: 'value' as const,
      min: first,
      max: last,
      minInterval: 1,
      name: 'epoch',
      nameLocation: 'middle' as const,
      nameGap: 24,
      nameTextStyle: axisText,
      axisLabel: axisText,
      axisLine: { lineStyle: { color: INK.axis } },
      axisTick: { lineStyle: { color: INK.axis } },
      splitLine: { show: false },
    })),
    yAxis: panels.map((panel, index) => ({
      gridIndex: index,
      show: panel.lines.length > 0,
      type: 'value' as const,
      min: panel.unit === 'loss' ? undefined : 0,
      max: panel.unit === 'share' ? 1 : undefined,
      scale: panel.unit === 'loss',
      splitNumber: 4,
      interval: panel.unit === 'share' ? 0.2 : undefined,
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { ...axisText, formatter: (value: number) => tickText(value, panel.unit) },
      splitLine: { lineStyle: { color: INK.grid } },
    })),
    series: panels.flatMap((panel, index) => panel.lines.map((line) => seriesOf(line, panel, index, epochs))),
  };
}

/** Only solid lines are listed: a dashed line has the color of its solid twin, and the subtitle says what dashes mean. */
function legendOf(panel: Panel, index: number, at: { x: number; y: number }): LegendComponentOption[] {
  const twins = new Set(panel.lines.filter((line) => !line.dashed).map((line) => line.color));
  const listed = panel.lines.filter((line) => !line.dashed || !twins.has(line.color));
  const isPair = panel.lines.length === 2 && listed.length === 1;
  const shown = isPair ? panel.lines : listed;
  if (shown.length === 0 || panel.unit === 'rate') return [];
  return [
    {
      data: shown.map((line) => ({
        name: seriesName(panel, line),
        lineStyle: { type: line.dashed ? [5, 4] : 'solid', width: 2 },
      })),
      formatter: (name: string) => {
        const own = name.slice(panel.title.length + 1);
        return isPair ? own : own.replace(/ (validation|train)$/, '');
      },
      left: at.x - 2,
      width: PANEL.width - 10,
      top: at.y + 32,
      itemWidth: 22,
      itemHeight: 10,
      itemGap: 14,
      // The line says enough; its dot would be larger than those of the curve.
      itemStyle: { opacity: 0 },
      textStyle: { fontSize: 11.5, color: INK.text },
      id: `legend ${index}`,
    },
  ];
}

/** The panel is part of a series' name, because echarts joins a legend entry to all series of that name. */
function seriesName(panel: Panel, line: Line): string {
  return `${panel.title}/${line.name}`;
}

function seriesOf(line: Line, panel: Panel, index: number, epochs: readonly number[]): LineSeriesOption {
  const finite = line.values.filter(Number.isFinite).length;
  return {
    name: seriesName(panel, line),
    type: 'line',
    xAxisIndex: index,
    yAxisIndex: index,
    // Validation may run only every few epochs: epochs without it are left out, else no two points would be neighbors and no line be drawn.
    data: line.values.flatMap((value, row) =>
      value === undefined ? [] : [[epochs[row], Number.isFinite(value) ? value : null]],
    ),
    // With few epochs a line alone is hard to see, and a single point draws no line at all.
    showSymbol: finite <= 12,
    symbol: 'circle',
    symbolSize: 5,
    itemStyle: { color: line.color },
    lineStyle: {
      color: line.color,
      width: line.dashed ? 1.5 : 2.2,
      type: line.dashed ? [5, 4] : 'solid',
      opacity: line.dashed ? 0.75 : 1,
    },
    z: line.dashed ? 2 : 3,
  };
}

function tickText(value: number, unit: Panel['unit']): string {
  if (unit === 'share') return value.toFixed(1);
  if (value === 0) return '0';
  return Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5
    ? String(Number(value.toPrecision(4)))
    : value.toExponential(1);
}
