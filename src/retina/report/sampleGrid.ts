/** Samples with truth and prediction as one picture. */
import type { OverlayOptions as Layer } from 'sharp';
import { sharp } from '../../engine/node/optional.ts';
import { GmtlError } from '../../engine/errors.ts';
import { STRUCTURE_COLORS } from './colors.ts';
import { STRUCTURES, structureInText } from '../domain.ts';
import type { GalleryImage, GradeData, MaskSet } from './html/data.ts';
import { isNumber, number, percent } from './html/format.ts';
import { isMisrouted, isUndecided, meanDiceOf } from './html/pictures.ts';
import { checkImage, type StructureMasks, paintMasks, resizeRgb } from './overlay.ts';
import { shrinkMask } from './shrinkMask.ts';
import type { RgbImage } from '../domain.ts';
import { escapeXml, FONT_FAMILY, INK, svgToPng, textWidth } from './svg.ts';

export type SampleGridOptions = {
  readonly title?: string;
  /** Samples side by side. Default 2. */
  readonly columns?: number;
  /** Side of one picture in pixels; a sample has three. Default 220. */
  readonly side?: number;
};

const HEADER = 56;
const CAPTION = 46;
const GAP = 14;
const FRAME = 5;
const WRONG = '#b3261e';
const RIGHT = '#0b7a55';

/**
 * Draws samples as a PNG grid. Each shows the photograph, and beside it truth and prediction as overlays where there are masks, else
 * its grades as text. Above them are its name, where the gate sent it and how sure it was; a misrouted one has a red frame and says
 * where it belongs.
 * @throws GmtlError `report/empty` without samples, `report/size` naming the sample whose buffer does not fit its size.
 */
export async function renderSampleGrid(
  samples: readonly GalleryImage[],
  options: SampleGridOptions = {},
): Promise<Buffer> {
  if (samples.length === 0) throw new GmtlError('report/empty', 'A grid of samples needs at least one sample.');
  const { side = 220, columns = 2, title = `${samples.length} samples` } = options;
  const used = Math.min(columns, samples.length);
  const cell = { width: 3 * side + 2 * FRAME, height: side + CAPTION + 2 * FRAME };
  const rows = Math.ceil(samples.length / used);
  const width = used * cell.width + (used + 1) * GAP;
  const height = HEADER + rows * (cell.height + GAP) + 34;
  const layers: Layer[] = [];
  const texts: string[] = [text(GAP, 34, title, 20, { bold: true, most: width - 2 * GAP }), legend(width, height)];
  for (const [index, sample] of samples.entries()) {
    const left = GAP + (index % used) * (cell.width + GAP);
    const top = HEADER + Math.floor(index / used) * (cell.height + GAP);
    texts.push(caption(sample, left, top, cell));
    const panels = await panelsOf(sample, side);
    panels.forEach(({ image, label }, at) => {
      const x = left + FRAME + at * side + Math.floor((side - image.width) / 2);
      const y = top + FRAME + CAPTION + Math.floor((side - image.height) / 2);
      layers.push({
        input: Buffer.from(image.data.buffer, image.data.byteOffset, image.data.byteLength),
        raw: { width: image.width, height: image.height, channels: 3 },
        left: x,
        top: y,
      });
      layers.push({ input: tag(label, image.width), left: x, top: y });
    });
    if (panels.length < 3) {
      texts.push(
        words(sample, left + FRAME + panels.length * side + 14, top + FRAME + CAPTION, side, 3 - panels.length),
      );
    }
  }
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="${FONT_FAMILY}">${texts.join('')}</svg>`;
  return sharp(svgToPng(svg)).removeAlpha().composite(layers).png().toBuffer();
}

/** The photograph, then truth and prediction as far as there are any. */
async function panelsOf(sample: GalleryImage, side: number): Promise<{ image: RgbImage; label: string }[]> {
  const { image, truthMasks, predictedMasks, id } = sample;
  checkImage(image, {}, id);
  const scale = side / Math.max(image.width, image.height);
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  const photo: RgbImage = { data: await resizeRgb(image, width, height), width, height };
  const overlay = (set: MaskSet): RgbImage => {
    return { ...photo, data: paintMasks(photo, fitted(set, width, height, id), 0.35, 1) };
  };
  return [
    { image: photo, label: 'photograph' },
    ...(truthMasks ? [{ image: overlay(truthMasks), label: 'truth' }] : []),
    ...(predictedMasks ? [{ image: overlay(predictedMasks), label: 'prediction' }] : []),
  ];
}

/** Masks in another size: larger ones keep every lesion, smaller ones are repeated. */
function fitted({ masks, ...from }: MaskSet, width: number, height: number, id: string): StructureMasks {
  const entries = STRUCTURES.flatMap((structure) => {
    const mask = masks[structure];
    if (mask === undefined) return [];
    if (mask.length !== from.width * from.height) {
      throw new GmtlError(
        'report/size',
        `${id}, ${structure}: the mask has ${mask.length} pixels, not ${from.width} × ${from.height}.`,
      );
    }
    if (from.width >= width && from.height >= height)
      return [[structure, shrinkMask(mask, from, width, height)] as const];
    const large = Uint8Array.from({ length: width * height }, (_, at) => {
      const [x, y] = [at % width, Math.floor(at / width)];
      return mask[Math.floor((y * from.height) / height) * from.width + Math.floor((x * from.width) / width)];
    });
    return [[structure, large] as const];
  });
  return Object.fromEntries(entries);
}

type TextStyle = { readonly bold?: boolean; readonly color?: string; readonly most?: number };

/** One line of text, in a smaller font where it would be wider than `most` pixels. */
function text(x: number, y: number, content: string, size: number, { bold, color, most }: TextStyle = {}): string {
  const needed = textWidth(content, size) * (bold ? 1.12 : 1);
  const fitting = most === undefined ? size : Math.min(size, (size * most) / needed);
  // Text below this size is illegible: the line is cut instead.
  const shown = fitting < 7 && most !== undefined ? `${content.slice(0, Math.floor(most / 5.4))}…` : content;
  return `<text x="${x}" y="${y}" font-size="${Math.max(7, fitting).toFixed(2)}" fill="${color ?? INK.text}"${bold ? ' font-weight="bold"' : ''}>${escapeXml(shown)}</text>`;
}

function caption(sample: GalleryImage, left: number, top: number, cell: { width: number; height: number }): string {
  const { gate, id } = sample;
  const misrouted = isMisrouted(sample);
  const most = cell.width - 2 * FRAME - 8;
  const box = `<rect x="${left + FRAME / 2}" y="${top + FRAME / 2}" width="${cell.width - FRAME}" height="${cell.height - FRAME}" fill="${misrouted ? '#fdecea' : '#f6f7f9'}" stroke="${misrouted ? WRONG : INK.grid}" stroke-width="${misrouted ? FRAME : 1}"/>`;
  const sure = gate ? ` (${percent(gate.probability)})` : '';
  const route = !gate
    ? 'no gate'
    : isUndecided(sample)
      ? `gate: undecided${sure}`
      : misrouted
        ? `MISROUTED to ${gate.routed}${sure}, belongs to ${gate.truth}`
        : `gate: ${gate.routed}${sure}`;
  const mean = meanDiceOf(sample);
  const score = isNumber(mean) ? ` · mean Dice ${number(mean, 2)}` : '';
  return (
    box +
    text(left + FRAME + 6, top + FRAME + 17, id, 13, { bold: true, most }) +
    text(left + FRAME + 6, top + FRAME + 36, route + score, 12, {
      ...(misrouted ? { color: WRONG, bold: true } : { color: INK.muted }),
      most,
    })
  );
}

/** The grades as text, predicted against truth, beside the photograph. */
function words(sample: GalleryImage, left: number, top: number, side: number, free: number): string {
  const most = free * side - 28;
  const parts: string[] = [];
  let y = top + 30;
  const line = (content: string, size: number, style: TextStyle = {}): void => {
    parts.push(text(left, y, content, size, { ...style, most }));
    y += size + 9;
  };
  const name = ({ names }: GradeData, grade: number): string => `${grade}${names?.[grade] ? ` ${names[grade]}` : ''}`;
  for (const grade of sample.grades ?? []) {
    const { task, truth, predicted, probability } = grade;
    const isRight = truth === predicted;
    const sure = isNumber(probability) ? ` (${percent(probability)})` : '';
    line(task, 14, { bold: true });
    line(`predicted: ${name(grade, predicted)}${sure}`, 13, truth === null ? {} : { color: isRight ? RIGHT : WRONG });
    if (truth !== null) line(`truth: ${name(grade, truth)}${isRight ? ' ✓' : ' ✗'}`, 13);
    y += 8;
  }
  if (parts.length === 0) line('nothing to compare with', 13, { color: INK.muted });
  return parts.join('');
}

/** A panel's name in its corner. */
function tag(label: string, most: number): Buffer {
  const width = Math.max(1, Math.min(most, Math.ceil(textWidth(label, 11) + 10)));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="17" font-family="${FONT_FAMILY}"><rect width="${width}" height="17" fill="#000000"/>${text(5, 12.5, label, 11, { color: '#ffffff', most: width - 8 })}</svg>`;
  return svgToPng(svg);
}

function legend(width: number, height: number): string {
  const size = Math.min(12, width / 62);
  let x: number = GAP;
  return STRUCTURES.map((structure) => {
    const { rgb } = STRUCTURE_COLORS[structure];
    const label = `${structure} ${structureInText(structure)}`;
    const item = `<rect x="${x}" y="${height - 24}" width="${size}" height="${size}" fill="rgb(${rgb.join(',')})" stroke="${INK.muted}"/>${text(x + size * 1.5, height - 24 + size * 0.88, label, size)}`;
    x += size * 3 + textWidth(label, size);
    return item;
  }).join('');
}
