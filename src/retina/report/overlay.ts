/** Masks drawn over photographs. */
import type { OverlayOptions as Layer } from 'sharp';
import { sharp } from '../../engine/node/optional.ts';
import type { RgbImage } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { STRUCTURE_COLORS } from './colors.ts';
import { STRUCTURES, type Structure, structureInText } from '../domain.ts';
import { shrinkMask } from './shrinkMask.ts';
import { escapeXml, FONT_FAMILY, INK, svgToPng, textWidth } from './svg.ts';

/** Masks by structure: one byte per pixel, row by row, non-zero inside. Absent structures are neither drawn nor listed. */
export type StructureMasks = { readonly [structure in Structure]?: Uint8Array };

export type OverlayOptions = {
  readonly title?: string;
  /** Opacity of the fill in [0, 1]; the disc gets half of it. The outline is opaque. Default 0.3. */
  readonly fill?: number;
  /** Outline width in pixels, drawn OUTSIDE the lesion so that a microaneurysm stays visible. Default: long side / 800, at least 1. */
  readonly outline?: number;
  /** A longer side is scaled down to this; masks keep every lesion (a pixel is set if any source pixel is). Default: no limit. */
  readonly maxSide?: number;
};

type Panel = { readonly image: RgbImage; readonly title: string };

/**
 * Draws masks over an image (translucent fill, opaque outline, one color-blind-safe color per structure) with a title line
 * and a legend below, as a PNG. The image's pixel (0, 0) is at (0, {@link headerHeight} of the options) of the picture.
 * @throws GmtlError `report/size` naming the buffer whose length does not fit width × height.
 */
export async function renderOverlay(
  image: RgbImage,
  masks: StructureMasks,
  options: OverlayOptions = {},
): Promise<Uint8Array> {
  const drawn = await drawPanel(image, masks, 'masks', options);
  return assemble([{ image: drawn, title: options.title ?? '' }], listed(masks));
}

/** Two panels of equal size side by side, the truth left and the prediction right, under one legend; otherwise as {@link renderOverlay}. */
export async function renderComparison(
  image: RgbImage,
  truth: StructureMasks,
  predicted: StructureMasks,
  options: OverlayOptions = {},
): Promise<Uint8Array> {
  const prefix = options.title === undefined ? '' : `${options.title} — `;
  return assemble(
    [
      { image: await drawPanel(image, truth, 'truth', options), title: `${prefix}truth` },
      { image: await drawPanel(image, predicted, 'prediction', options), title: `${prefix}prediction` },
    ],
    STRUCTURES.filter((structure) => truth[structure] !== undefined || predicted[structure] !== undefined),
  );
}

/** Height in pixels of the title above a panel of this width; 0 without a title. */
export function headerHeight(panelWidth: number, title: string): number {
  const size = textSize(panelWidth);
  return title === '' ? 0 : Math.round(size * (2.2 + LINE * (titleLines(title, panelWidth).length - 1)));
}

/**
 * Paints masks over a copy of the image, the disc first and microaneurysms last.
 * @throws GmtlError `report/size` as {@link renderOverlay}.
 */
export function paintMasks(image: RgbImage, masks: StructureMasks, fill: number, outline: number): Uint8Array {
  const { width, height } = image;
  const painted = Uint8Array.from(image.data);
  for (const structure of [...STRUCTURES].reverse()) {
    const mask = masks[structure];
    if (mask === undefined) continue;
    const alpha = structure === 'OD' ? fill / 2 : fill;
    const { rgb } = STRUCTURE_COLORS[structure];
    const grown = grow(mask, width, height, outline);
    for (let pixel = 0; pixel < mask.length; pixel++) {
      if (grown[pixel] === 0) continue;
      const strength = mask[pixel] !== 0 ? alpha : 1;
      for (let channel = 0; channel < 3; channel++) {
        const at = pixel * 3 + channel;
        painted[at] = Math.round(painted[at] + (rgb[channel] - painted[at]) * strength);
      }
    }
  }
  return painted;
}

async function drawPanel(
  image: RgbImage,
  masks: StructureMasks,
  where: string,
  options: OverlayOptions,
): Promise<RgbImage> {
  checkImage(image, masks, where);
  const { fill = 0.3, maxSide = Number.POSITIVE_INFINITY } = options;
  const scale = Math.min(1, maxSide / Math.max(image.width, image.height));
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  const small = scale === 1 ? image : { data: await resizeRgb(image, width, height), width, height };
  const smallMasks =
    scale === 1
      ? masks
      : Object.fromEntries(
          listed(masks).map((structure) => [structure, shrinkMask(masks[structure]!, image, width, height)]),
        );
  const outline = options.outline ?? Math.max(1, Math.round(Math.max(width, height) / 800));
  return { data: paintMasks(small, smallMasks, fill, outline), width, height };
}

/** @throws GmtlError `report/size` when the buffers do not fit width × height; `where` names the masks. */
export function checkImage(image: RgbImage, masks: StructureMasks, where: string): void {
  const { data, width, height } = image;
  if (
    !Number.isInteger(width) ||
    !Number.isInteger(height) ||
    width < 1 ||
    height < 1 ||
    data.length !== width * height * 3
  ) {
    throw new GmtlError(
      'report/size',
      `Overlay, ${where}: the image has ${data.length} bytes, not ${width} × ${height} × 3; pass RGB without alpha or padding.`,
    );
  }
  for (const structure of listed(masks)) {
    const { length } = masks[structure]!;
    if (length !== width * height) {
      throw new GmtlError(
        'report/size',
        `Overlay: ${where} ${structure} has ${length} pixels, the image ${width} × ${height}.`,
      );
    }
  }
}

function listed(masks: StructureMasks): Structure[] {
  return STRUCTURES.filter((structure) => masks[structure] !== undefined);
}

/** The mask grown by `radius` pixels in both axes (a square): two passes that each look back and ahead for a set pixel. */
function grow(mask: Uint8Array, width: number, height: number, radius: number): Uint8Array {
  const rows = new Uint8Array(mask.length);
  const grown = new Uint8Array(mask.length);
  spread(mask, rows, height, width, width, 1, radius);
  spread(rows, grown, width, height, 1, width, radius);
  return grown;
}

function spread(
  source: Uint8Array,
  target: Uint8Array,
  lines: number,
  length: number,
  lineStride: number,
  stride: number,
  radius: number,
): void {
  for (let line = 0; line < lines; line++) {
    const start = line * lineStride;
    let reach = -1;
    for (let index = 0; index < length; index++) {
      if (source[start + index * stride] === 0) continue;
      const first = Math.max(reach + 1, index - radius, 0);
      reach = Math.min(length - 1, index + radius);
      for (let at = first; at <= reach; at++) target[start + at * stride] = 1;
    }
  }
}

export async function resizeRgb(image: RgbImage, width: number, height: number): Promise<Uint8Array> {
  const raw = { width: image.width, height: image.height, channels: 3 as const };
  const resized = sharp(image.data, { raw, limitInputPixels: false }).resize(width, height, { fit: 'fill' });
  return new Uint8Array(await resized.raw().toBuffer());
}

function textSize(panelWidth: number): number {
  return Math.max(11, Math.floor(panelWidth / 68));
}

/** Distance of a title's lines, in font sizes. */
const LINE = 1.45;

/** Width that bold text takes of a panel's. */
const boldWidth = (text: string, size: number): number => textWidth(text, size) * 1.12;

/** A title broken after commas where it is wider than the panel. */
function titleLines(title: string, panelWidth: number): string[] {
  const size = textSize(panelWidth);
  const lines: string[] = [];
  for (const part of title.split(/(?<=, )/)) {
    const longer = (lines.at(-1) ?? '') + part;
    if (lines.length > 0 && boldWidth(longer, size) <= panelWidth - size) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines;
}

/** Panels from left to right with their titles above, one legend below, on white. */
async function assemble(panels: readonly Panel[], structures: readonly Structure[]): Promise<Uint8Array> {
  const { width: panelWidth, height: panelHeight } = panels[0].image;
  const gap = panels.length === 1 ? 0 : Math.max(4, Math.round(panelWidth / 100));
  const width = panels.length * panelWidth + (panels.length - 1) * gap;
  const header = Math.max(...panels.map(({ title }) => headerHeight(panelWidth, title)));
  const legend = legendSvg(structures, width, textSize(panelWidth));
  const layers: Layer[] = panels.map(({ image }, index) => ({
    input: Buffer.from(image.data.buffer, image.data.byteOffset, image.data.byteLength),
    raw: { width: image.width, height: image.height, channels: 3 },
    left: index * (panelWidth + gap),
    top: header,
  }));
  if (header > 0) layers.push({ input: svgToPng(titlesSvg(panels, panelWidth, gap, width, header)), left: 0, top: 0 });
  if (legend.height > 0) layers.push({ input: svgToPng(legend.svg), left: 0, top: header + panelHeight });
  const canvas = { width, height: header + panelHeight + legend.height, channels: 3 as const, background: INK.ground };
  return sharp({ create: canvas, limitInputPixels: false })
    .composite(layers.map((layer) => ({ ...layer, limitInputPixels: false })))
    .png()
    .toBuffer();
}

function titlesSvg(panels: readonly Panel[], panelWidth: number, gap: number, width: number, height: number): string {
  const size = textSize(panelWidth);
  const texts = panels.flatMap(({ title }, index) => {
    const x = index * (panelWidth + gap) + size * 0.5;
    const lines = titleLines(title, panelWidth);
    return lines.map((line, row) => {
      // A long file name gets a smaller font, so that it does not run into the next panel.
      const fitted = Math.min(size * 1.1, (size * (panelWidth - size)) / boldWidth(line, size));
      const y = height - size * (0.75 + LINE * (lines.length - 1 - row));
      return `<text x="${x}" y="${y}" font-size="${fitted}" font-weight="bold" fill="${INK.text}">${escapeXml(line)}</text>`;
    });
  });
  return svgPage(width, height, texts.join(''));
}

/** Swatches with names, wrapped to the width; height 0 without structures. */
function legendSvg(structures: readonly Structure[], width: number, size: number): { svg: string; height: number } {
  const rowHeight = Math.round(size * 1.9);
  const parts: string[] = [];
  let x = size * 0.6;
  let row = 0;
  for (const structure of structures) {
    const { rgb } = STRUCTURE_COLORS[structure];
    const name = `${structure}  ${structureInText(structure)}`;
    const itemWidth = size * 1.8 + textWidth(name, size);
    if (x > size && x + itemWidth > width) {
      x = size * 0.6;
      row++;
    }
    const y = row * rowHeight + size * 0.55;
    parts.push(
      `<rect x="${x}" y="${y}" width="${size}" height="${size}" fill="rgb(${rgb.join(',')})" stroke="${INK.muted}" stroke-width="${size / 16}"/>`,
      `<text x="${x + size * 1.45}" y="${y + size * 0.88}" font-size="${size}" fill="${INK.text}">${escapeXml(name)}</text>`,
    );
    x += itemWidth + size;
  }
  const height = structures.length === 0 ? 0 : (row + 1) * rowHeight + Math.round(size * 0.2);
  return { svg: svgPage(width, height, parts.join('')), height };
}

function svgPage(width: number, height: number, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="${FONT_FAMILY}">${content}</svg>`;
}
