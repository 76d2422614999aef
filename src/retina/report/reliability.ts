/** A reliability diagram as a picture. */
import type { EChartsOption } from 'echarts';
import { GmtlError } from '../../engine/errors.ts';
import type { ReliabilityBin } from '../metrics/calibration.ts';
import { chartToPng, INK, PALETTE } from './svg.ts';

export type ReliabilityOptions = {
  readonly title?: string;
  /** Pixels per CSS pixel; the picture is 520 × 568 CSS pixels. Default 2. */
  readonly scale?: number;
};

/**
 * Draws a reliability diagram as a PNG: a bar of accuracy for each bin of confidence, the number of cases in it, and the
 * diagonal of perfect calibration. Bars below the diagonal are overconfident.
 * @param bins from `reliabilityBins`. @throws GmtlError `report/empty` when they hold no case.
 */
export function renderReliability(bins: readonly ReliabilityBin[], options: ReliabilityOptions = {}): Buffer {
  const cases = bins.reduce((sum, bin) => sum + bin.count, 0);
  if (cases === 0) throw new GmtlError('report/empty', 'The reliability bins hold no cases; there is nothing to draw.');
  const error = bins.reduce((sum, bin) => sum + (bin.count / cases) * Math.abs(bin.accuracy - bin.confidence), 0);
  const [width, height] = [520, 568];
  const side = 420;
  const axis = {
    type: 'value' as const,
    min: 0,
    max: 1,
    interval: 0.2,
    axisLabel: { color: INK.muted, fontSize: 11, formatter: (value: number) => value.toFixed(1) },
    axisLine: { lineStyle: { color: INK.axis } },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: INK.grid } },
    nameLocation: 'middle' as const,
    nameTextStyle: { color: INK.muted, fontSize: 13 },
  };
  const data = bins.filter((bin) => bin.count > 0).map((bin) => [bin.low, bin.high, bin.accuracy, bin.count]);
  const encode = { x: [0, 1], y: 2 };
  const option: EChartsOption = {
    title: {
      text: options.title ?? 'Reliability',
      subtext: `expected calibration error ${error.toFixed(3)} · ${cases} cases · numbers: cases in the bin`,
      left: 20,
      top: 14,
      itemGap: 6,
      textStyle: { fontSize: 17, fontWeight: 'bold', color: INK.text },
      subtextStyle: { fontSize: 12, color: INK.muted },
    },
    grid: { left: 70, top: 84, width: side, height: side },
    xAxis: { ...axis, name: 'confidence', nameGap: 28 },
    yAxis: { ...axis, name: 'accuracy', nameGap: 38 },
    series: [
      {
        // The bins have numeric edges, which a category axis with a bar series cannot show.
        type: 'custom',
        data,
        encode,
        renderItem: (_, api) => {
          const [left, top] = api.coord([api.value(0), api.value(2)]);
          const [right, bottom] = api.coord([api.value(1), 0]);
          return {
            type: 'rect',
            shape: { x: left + 1, y: top, width: right - left - 2, height: bottom - top },
            style: { fill: PALETTE[0], opacity: 0.8 },
          };
        },
      },
      {
        // Counts lie on top, with a halo: the diagonal crosses those of well calibrated bins.
        type: 'custom',
        data,
        encode,
        z: 4,
        renderItem: (_, api) => {
          const [left, top] = api.coord([api.value(0), api.value(2)]);
          const [right] = api.coord([api.value(1), 0]);
          return {
            type: 'text',
            x: (left + right) / 2,
            y: top - 3,
            style: {
              text: String(api.value(3)),
              align: 'center',
              verticalAlign: 'bottom',
              fontSize: 10,
              fill: INK.muted,
              stroke: INK.ground,
              lineWidth: 4,
            },
          };
        },
      },
      {
        type: 'line',
        data: [
          [0, 0],
          [1, 1],
        ],
        showSymbol: false,
        lineStyle: { color: INK.text, width: 1.5, type: [6, 4] },
        z: 3,
      },
    ],
  };
  return chartToPng(option, width, height, options.scale ?? 2);
}
