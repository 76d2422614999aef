/** Draws the loss curve and the predicted pictures. */
import { STRUCTURES } from '../../src/retina/domain.ts';
import { STRUCTURE_COLORS } from '../../src/retina/report/colors.ts';
import { element } from '../shared/elements.ts';
import type { Shown, StepEvent } from './messages.ts';

const WIDTH = 800;
const HEIGHT = 260;
const LEFT = 46;
const BOTTOM = 28;
const TOP = 8;

function svg(name: string, attributes: Readonly<Record<string, string | number>>, text = ''): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

/** The mean of each value and the ones before it, the older the lighter. */
function runningMean(values: readonly number[], decay = 0.9): number[] {
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    sum = decay * sum + value;
    weight = decay * weight + 1;
    return sum / weight;
  });
}

/** Loss by step: thin of each step, thick its running mean. */
export function drawCurve(target: SVGElement, history: readonly StepEvent[]): void {
  const finite = history.filter(({ loss }) => Number.isFinite(loss));
  if (finite.length < 2) {
    target.replaceChildren();
    return;
  }
  const every = Math.ceil(finite.length / 800);
  const losses = finite.map(({ loss }) => loss);
  const most = losses.reduce((max, loss) => Math.max(max, loss), 0) * 1.05;
  const [first, last] = [finite[0].step, finite[finite.length - 1].step];
  const x = (step: number): number => LEFT + ((WIDTH - LEFT - 8) * (step - first)) / (last - first);
  const y = (loss: number): number => TOP + (HEIGHT - TOP - BOTTOM) * (1 - loss / most);
  const line = (values: readonly number[], kind: string): SVGElement =>
    svg('polyline', {
      class: kind,
      points: values
        .flatMap((value, at) => (at % every === 0 ? `${x(finite[at].step).toFixed(1)},${y(value).toFixed(1)}` : []))
        .join(' '),
    });
  const ticks = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
    const at = y((share * most) / 1.05);
    return [
      svg('line', { class: 'grid', x1: LEFT, x2: WIDTH - 8, y1: at, y2: at }),
      svg('text', { x: LEFT - 6, y: at + 4, 'text-anchor': 'end' }, ((share * most) / 1.05).toFixed(1)),
    ];
  });
  const steps = [first, Math.round((first + last) / 2), last].map((step) =>
    svg('text', { x: x(step), y: HEIGHT - 8, 'text-anchor': step === last ? 'end' : 'middle' }, String(step)),
  );
  target.replaceChildren(...ticks, ...steps, line(losses, 'each'), line(runningMean(losses), 'mean'));
}

function picture({ side, image }: Shown, bits: Uint8Array | null, label: string): HTMLElement {
  const canvas = element('canvas', { width: side, height: side, role: 'img', 'aria-label': label });
  const data = new ImageData(side, side);
  for (let at = 0; at < side * side; at++) {
    let color: readonly number[] = [image[3 * at], image[3 * at + 1], image[3 * at + 2]];
    // The last one drawn is on top: lesions over the disc.
    for (let index = STRUCTURES.length - 1; bits && index >= 0; index--) {
      if ((bits[at] & (1 << index)) === 0) continue;
      const own = STRUCTURE_COLORS[STRUCTURES[index]].rgb;
      color = color.map((value, channel) => 0.3 * value + 0.7 * own[channel]);
    }
    data.data.set([...color, 255], 4 * at);
  }
  canvas.getContext('2d')?.putImageData(data, 0, 0);
  return element('figure', {}, canvas, element('figcaption', { class: 'note' }, label));
}

/** Each picture, its truth and the prediction, side by side. */
export function drawShown(target: HTMLElement, pictures: readonly Shown[]): void {
  target.replaceChildren(
    ...pictures.map((one, index) =>
      element(
        'li',
        {},
        picture(one, null, `Picture ${index + 1}`),
        picture(one, one.truth, 'Truth'),
        picture(one, one.predicted, 'Prediction'),
      ),
    ),
  );
}
