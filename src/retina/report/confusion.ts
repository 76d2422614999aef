/** A confusion matrix as a picture. */
import type { EChartsOption } from 'echarts';
import { GmtlError } from '../../engine/errors.ts';
import { accuracy, type ConfusionMatrix } from '../metrics/confusion.ts';
import { chartToPng, INK, textWidth } from './svg.ts';

export type ConfusionOptions = {
  readonly title?: string;
  /** Pixels per CSS pixel. Default 2. */
  readonly scale?: number;
};

/** Least side of a cell; longer class names widen the columns. */
const CELL = 84;
/** Above this share of the row white text has the better contrast. */
const DARK = 0.78;
/** Shades a row's share from white to Okabe & Ito's blue. */
const SHADES = ['#ffffff', '#dcebf5', '#a9cfe6', '#4a97c8', '#00527f'];

/**
 * Draws a confusion matrix as a PNG: rows are the truth, columns the prediction; a cell holds its count and its share of the
 * row, and is shaded by that share, so that rare classes show as well as frequent ones.
 * @param names one per class, say `['0 none', '1 mild', …]`.
 * @throws GmtlError `report/names` when the number of names is not the number of classes; `metrics/empty` without cases.
 */
export function renderConfusion(
  matrix: ConfusionMatrix,
  names: readonly string[],
  options: ConfusionOptions = {},
): Buffer {
  const { classes, counts } = matrix;
  if (names.length !== classes) {
    throw new GmtlError(
      'report/names',
      `A confusion matrix of ${classes} classes needs ${classes} names, got ${names.length}.`,
    );
  }
  const right = accuracy(matrix);
  const cases = counts.reduce((sum, count) => sum + count, 0);
  const supports = names.map((_, row) =>
    counts.slice(row * classes, (row + 1) * classes).reduce((sum, one) => sum + one, 0),
  );
  const rowNames = names.map((name, row) => `${name}\nn = ${supports[row]}`);
  const labelWidth = Math.max(...rowNames.flatMap((name) => name.split('\n')).map((line) => textWidth(line, 12)));
  const left = Math.ceil(labelWidth) + 56;
  const top = 80;
  const cell = Math.max(CELL, Math.ceil(Math.max(...names.map((name) => textWidth(name, 12)))) + 14);
  const [gridWidth, gridHeight] = [cell * classes, CELL * classes];
  const text = { color: INK.text, fontSize: 12, lineHeight: 16 };
  const axis = {
    type: 'category' as const,
    axisLine: { show: false },
    axisTick: { show: false },
    splitArea: { show: false },
    nameLocation: 'middle' as const,
    nameTextStyle: { color: INK.muted, fontSize: 13 },
  };
  const option: EChartsOption = {
    title: {
      text: options.title ?? 'Confusion matrix',
      subtext: `accuracy ${right.toFixed(3)} · ${cases} cases · shade: share of the row`,
      left: 20,
      top: 14,
      itemGap: 6,
      textStyle: { fontSize: 17, fontWeight: 'bold', color: INK.text },
      subtextStyle: { fontSize: 12, color: INK.muted },
    },
    grid: { left, top, width: gridWidth, height: gridHeight, show: true, borderColor: INK.axis },
    xAxis: {
      ...axis,
      data: [...names],
      name: 'predicted',
      nameGap: 34,
      axisLabel: { ...text, interval: 0 },
    },
    yAxis: {
      ...axis,
      data: rowNames,
      inverse: true,
      name: 'truth',
      nameGap: labelWidth + 24,
      axisLabel: { ...text, interval: 0 },
    },
    visualMap: { show: false, min: 0, max: 1, dimension: 2, inRange: { color: SHADES } },
    series: [
      {
        type: 'heatmap',
        itemStyle: { borderColor: INK.grid, borderWidth: 1 },
        data: Array.from(counts, (count, index) => {
          const row = Math.floor(index / classes);
          const share = supports[row] === 0 ? 0 : count / supports[row];
          return {
            value: [index % classes, row, share],
            label: {
              show: true,
              formatter:
                supports[row] === 0 ? `{count|${count}}` : `{count|${count}}\n{share|${Math.round(share * 100)} %}`,
              rich: {
                count: {
                  fontSize: 16,
                  fontWeight: 'bold' as const,
                  color: share > DARK ? '#ffffff' : INK.text,
                  lineHeight: 20,
                },
                share: {
                  fontSize: 11,
                  color: share > DARK ? '#ffffff' : share > 0.2 ? INK.text : INK.muted,
                  lineHeight: 15,
                },
              },
            },
          };
        }),
      },
    ],
  };
  const width = Math.max(left + gridWidth + 28, textWidth(options.title ?? '', 17) * 1.1 + 40, 460);
  return chartToPng(option, Math.ceil(width), top + gridHeight + 62, options.scale ?? 2);
}
