/** Charts and labels as PNG: fonts, colors and the renderer. */
import { dirname, join } from 'node:path';
import type * as resvg from '@resvg/resvg-js';
import type * as echarts from 'echarts';
import { GmtlError } from '../../engine/errors.ts';
import { printableLine } from '../../engine/printable.ts';
import { requireOptional, resolveOptional } from '../../engine/node/optional.ts';

/** The font of every picture; shipped as a dependency, because servers and containers often have no fonts at all. */
export const FONT_FAMILY = 'DejaVu Sans';

/** Colors of text and lines on a white background. */
export const INK = { text: '#1f2933', muted: '#5f6b76', grid: '#e3e7eb', axis: '#9aa5b1', ground: '#ffffff' } as const;

/**
 * Okabe & Ito's palette (jfly.uni-koeln.de/color), distinguishable with the common kinds of color blindness, without its
 * yellow, which is too pale for lines on white.
 */
export const PALETTE = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'] as const;

const { Resvg } = requireOptional<typeof resvg>('@resvg/resvg-js');
const { init, setPlatformAPI } = requireOptional<typeof echarts>('echarts');

const fontFolder = join(dirname(resolveOptional('dejavu-fonts-ttf', '/package.json')), 'ttf');
const fontFiles = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((name) => join(fontFolder, name));

// Without a canvas echarts guesses text widths for a narrower font than DejaVu, and legends would collide.
setPlatformAPI({ measureText: (text: string, font?: string) => ({ width: textWidth(text, fontSize(font)) }) });

/** Width of a line of text in DejaVu Sans, in pixels, estimated from the advance widths of its glyph classes, rounded up. */
export function textWidth(text: string, size: number): number {
  let ems = 0;
  for (const glyph of text) {
    if (/[ijlI.,:;'|!()[\]]/.test(glyph)) ems += 0.37;
    else if (/[mwMW%@—]/.test(glyph)) ems += 0.97;
    else if (/[A-Z]/.test(glyph)) ems += 0.72;
    else if (glyph === ' ') ems += 0.32;
    // echarts uses the width of an ideograph as the line height.
    else if (glyph > '\u2e80') ems += 1.1;
    else ems += 0.62;
  }
  return ems * size;
}

/** Escapes text for use in SVG text and attributes. What XML cannot hold, which a file's name may, is written as `\u001b` or as U+FFFD. */
export function escapeXml(text: string): string {
  return printableLine(text)
    .replace(/[\p{Surrogate}\ufffe\uffff]/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * Rasterises an SVG with the shipped fonts only, so that a picture looks the same on every machine.
 * @param scale pixels per CSS pixel. @param background CSS color, or undefined for transparent.
 * @throws GmtlError `report/svg` when the SVG cannot be parsed.
 */
export function svgToPng(svg: string, scale = 1, background: string | undefined = INK.ground): Buffer {
  try {
    const resvg = new Resvg(svg, {
      background,
      fitTo: { mode: 'zoom', value: scale },
      font: { loadSystemFonts: false, fontFiles, defaultFontFamily: FONT_FAMILY, sansSerifFamily: FONT_FAMILY },
    });
    return resvg.render().asPng();
  } catch (cause) {
    throw new GmtlError('report/svg', `Cannot rasterise a picture: ${String(cause)}`, { cause });
  }
}

/** Renders an echarts option of `width` × `height` CSS pixels to a PNG of `scale` times as many pixels. */
export function chartToPng(option: echarts.EChartsOption, width: number, height: number, scale: number): Buffer {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: FONT_FAMILY, color: INK.text }, ...option });
    return svgToPng(chart.renderToSVGString(), scale);
  } finally {
    chart.dispose();
  }
}

function fontSize(font: string | undefined): number {
  const match = /(\d+(?:\.\d+)?)px/.exec(font ?? '');
  return match === null ? 12 : Number(match[1]);
}
