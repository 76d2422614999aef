/** Shows a photograph with a layer for each structure, each with its switch and opacity, in a pane that zooms and scrolls. */
import { type Structure, STRUCTURE_NAMES, STRUCTURES } from '../../src/retina/domain.ts';
import { STRUCTURE_COLORS } from '../../src/retina/report/colors.ts';
import { shrinkMask } from '../../src/retina/report/shrinkMask.ts';
import { byId, element } from '../shared/elements.ts';
import type { Looked } from './messages.ts';
import { fromRuns } from './runs.ts';

/** Layers are no larger than this: screens show no more, and phones have little memory. */
const MOST_PIXELS_WIDE = 2048;

/** What the user chose; it stays from one photograph to the next. */
const shown = new Map<Structure, boolean>();
const opacity = new Map<Structure, number>();

const zoom = byId('zoom', HTMLInputElement);
const layers = byId('layers', HTMLElement);
const pane = byId('pane', HTMLElement);

function context(canvas: HTMLCanvasElement | OffscreenCanvas): CanvasRenderingContext2D {
  const made = canvas.getContext('2d') as CanvasRenderingContext2D | null;
  if (!made) throw new Error('the browser gives no canvas');
  return made;
}

/** The photograph's own pixels on a canvas. */
function photograph({ result: { frame } }: Looked, pixels: Uint8Array): OffscreenCanvas {
  const canvas = new OffscreenCanvas(frame.width, frame.height);
  const rgba = new ImageData(frame.width, frame.height);
  for (let from = 0, to = 0; from < pixels.length; from += 3, to += 4) {
    rgba.data[to] = pixels[from];
    rgba.data[to + 1] = pixels[from + 1];
    rgba.data[to + 2] = pixels[from + 2];
    rgba.data[to + 3] = 255;
  }
  canvas.getContext('2d')?.putImageData(rgba, 0, 0);
  return canvas;
}

/** A mask in its color, clear elsewhere. */
function colored(mask: Uint8Array, structure: Structure, width: number, height: number): ImageData {
  const [red, green, blue] = STRUCTURE_COLORS[structure].rgb;
  const image = new ImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  // Pixels are little-endian on every machine that has WebGPU.
  const color = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  for (let at = 0; at < mask.length; at++) if (mask[at] !== 0) words[at] = color;
  return image;
}

/** A structure's mask in the photograph's own size: 0 or 1 per pixel. */
function maskOf({ masks, result: { frame } }: Looked, structure: Structure): Uint8Array {
  return fromRuns(masks[structure] ?? new Uint32Array(), frame.width * frame.height);
}

const present = (looked: Looked): Structure[] =>
  STRUCTURES.filter((structure) => looked.masks[structure] !== undefined);

/** Shows a photograph and the switches of its structures. */
export function showPicture(looked: Looked, pixels: Uint8Array): void {
  const { frame } = looked.result;
  const scale = Math.min(1, MOST_PIXELS_WIDE / Math.max(frame.width, frame.height));
  const [width, height] = [Math.round(frame.width * scale), Math.round(frame.height * scale)];
  const base = element('canvas', { width, height, 'aria-hidden': 'true' });
  context(base).drawImage(photograph(looked, pixels), 0, 0, width, height);
  const canvases = new Map<Structure, HTMLCanvasElement>();
  // The disc is large: lesions lie above it.
  for (const structure of [...present(looked)].reverse()) {
    const canvas = element('canvas', { width, height, 'aria-hidden': 'true' });
    const mask = shrinkMask(maskOf(looked, structure), frame, width, height);
    context(canvas).putImageData(colored(mask, structure, width, height), 0, 0);
    canvases.set(structure, canvas);
  }
  layers.replaceChildren(base, ...canvases.values());
  layers.style.aspectRatio = `${frame.width} / ${frame.height}`;
  const apply = (): void => {
    for (const [structure, canvas] of canvases) {
      canvas.hidden = shown.get(structure) === false;
      canvas.style.opacity = String(opacityOf(structure));
    }
  };
  byId('structures', HTMLFieldSetElement).replaceChildren(
    element('legend', {}, 'Structures and their opacity'),
    ...present(looked).map((structure) => structureControl(structure, apply)),
  );
  apply();
  applyZoom();
}

const opacityOf = (structure: Structure): number => opacity.get(structure) ?? (structure === 'OD' ? 0.3 : 0.6);

function structureControl(structure: Structure, apply: () => void): HTMLElement {
  const name = STRUCTURE_NAMES[structure];
  const box = element('input', { type: 'checkbox', checked: shown.get(structure) !== false });
  box.addEventListener('change', () => {
    shown.set(structure, box.checked);
    apply();
  });
  const range = element('input', {
    ...{ type: 'range', min: 0, max: 1, step: 0.05, value: opacityOf(structure) },
    'aria-label': `Opacity of ${name.toLowerCase()}`,
  });
  range.addEventListener('input', () => {
    opacity.set(structure, Number(range.value));
    apply();
  });
  const swatch = element('span', { class: 'swatch photo', 'data-lesion': structure });
  return element('div', { class: 'structure' }, element('label', {}, box, swatch, name), range);
}

/** Keeps the middle of what is seen in the middle. */
function applyZoom(): void {
  const before = layers.clientWidth || 1;
  const middleX = (pane.scrollLeft + pane.clientWidth / 2) / before;
  const middleY = (pane.scrollTop + pane.clientHeight / 2) / before;
  layers.style.width = `${100 * Number(zoom.value)}%`;
  const after = layers.clientWidth;
  pane.scrollLeft = middleX * after - pane.clientWidth / 2;
  pane.scrollTop = middleY * after - pane.clientHeight / 2;
}

zoom.addEventListener('input', applyZoom);
byId('fit', HTMLButtonElement).addEventListener('click', () => {
  zoom.value = '1';
  applyZoom();
});

const toPng = (canvas: OffscreenCanvas): Promise<Blob> => canvas.convertToBlob({ type: 'image/png' });

/** The photograph with the structures that are switched on, in its own size. */
export async function overlayPng(looked: Looked, pixels: Uint8Array): Promise<Blob> {
  const canvas = photograph(looked, pixels);
  const { width, height } = canvas;
  const target = canvas.getContext('2d')!;
  for (const structure of [...present(looked)].reverse()) {
    if (shown.get(structure) === false) continue;
    const layer = new OffscreenCanvas(width, height);
    layer.getContext('2d')?.putImageData(colored(maskOf(looked, structure), structure, width, height), 0, 0);
    target.globalAlpha = opacityOf(structure);
    target.drawImage(layer, 0, 0);
  }
  return toPng(canvas);
}

/** Each structure's mask in the photograph's own size: white inside, black elsewhere. */
export async function maskPngs(looked: Looked): Promise<{ structure: Structure; png: Blob }[]> {
  const { width, height } = looked.result.frame;
  const pngs: { structure: Structure; png: Blob }[] = [];
  // One after the other: phones have little memory.
  for (const structure of present(looked)) {
    const image = new ImageData(width, height);
    const words = new Uint32Array(image.data.buffer).fill(0xff000000);
    const mask = maskOf(looked, structure);
    for (let at = 0; at < mask.length; at++) if (mask[at] !== 0) words[at] = 0xffffffff;
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext('2d')?.putImageData(image, 0, 0);
    pngs.push({ structure, png: await toPng(canvas) });
  }
  return pngs;
}
