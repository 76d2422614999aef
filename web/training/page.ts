/** The training page: starts and pauses the worker, and shows how the network learns. */
import { byId, element } from '../shared/elements.ts';
import { startOffline } from '../shared/page.ts';
import { PageWorker } from '../shared/pageWorker.ts';
import { drawCurve, drawShown } from './draw.ts';
import type { Figures, StepEvent, TrainingCommand, TrainingEvent } from './messages.ts';

const runButton = byId('run', HTMLButtonElement);
const resetButton = byId('reset', HTMLButtonElement);
const rate = byId('rate', HTMLInputElement);
const progress = byId('progress', HTMLProgressElement);
const status = byId('status', HTMLElement);
const failureBox = byId('failure', HTMLElement);
const curve = document.querySelector<SVGElement>('#curve')!;

let history: StepEvent[] = [];
let figures: Figures | null = null;
let speed: number | null = null;
/** What the visitor wants; it outlives a worker whose device was lost. */
let isRunning = false;
let beginsAnew = false;
let drawing = false;

const worker = new PageWorker<TrainingCommand, TrainingEvent>({
  name: 'training',
  box: failureBox,
  hear,
  open: () => {
    progress.hidden = false;
    runButton.disabled = true;
    resetButton.disabled = true;
    worker.tell({ kind: 'open', anew: beginsAnew });
    beginsAnew = false;
  },
  // There is only one network to train: a memory that is too small twice stays so.
  leaveOut: () => false,
  stopped: () => {
    setRunning(false);
    runButton.disabled = true;
    resetButton.disabled = true;
    status.textContent = 'Stopped by an error. What was kept last is restored when you try again.';
  },
});

function hear(event: TrainingEvent): void {
  switch (event.kind) {
    case 'preparing':
      progress.value = event.share;
      status.textContent = event.text;
      break;
    case 'opened':
      progress.hidden = true;
      history = [...event.history];
      showRate(event.learningRate);
      setRunning(isRunning);
      status.textContent =
        `${event.restored ? `Restored at step ${history.at(-1)?.step ?? 0}` : 'Ready'}: ${event.parameters.toLocaleString('en')} ` +
        `parameters on ${event.adapter || 'this adapter'}.` +
        (event.forgotten ? '' : ' This browser refuses to forget the progress of before: a reload may bring it back.');
      draw();
      if (isRunning) worker.tell({ kind: 'run' });
      break;
    case 'step':
      worker.advanced(event.event.step);
      history.push(event.event);
      speed = speed === null ? event.imagesPerSecond : 0.9 * speed + 0.1 * event.imagesPerSecond;
      status.textContent = `Step ${event.event.step}.`;
      draw();
      break;
    case 'shown':
      figures = event.figures;
      drawShown(byId('shown', HTMLElement), event.pictures);
      draw();
      break;
    case 'paused':
      setRunning(false);
      status.textContent = event.saved
        ? `Paused at step ${history.at(-1)?.step ?? 0}; kept in this browser.`
        : 'Paused. This browser refuses to keep the progress (a private window, or no space): a reload begins anew.';
      break;
    case 'failed':
      worker.fail(event.failure);
      break;
    default:
      event satisfies never;
  }
}

function setRunning(running: boolean): void {
  isRunning = running;
  runButton.disabled = false;
  resetButton.disabled = false;
  runButton.textContent = running ? 'Pause' : history.length > 0 ? 'Resume' : 'Start';
}

function showRate(learningRate: number): void {
  rate.value = String(Math.log10(learningRate));
  byId('rate-text', HTMLOutputElement).textContent = learningRate.toPrecision(2);
}

/** At most once per frame; a tab in the background draws nothing and learns on. */
function draw(): void {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawCurve(curve, history);
    showFigures();
  });
}

function showFigures(): void {
  const last = history.at(-1);
  const values = {
    Step: [String(last?.step ?? 0), 'goes on until you pause'],
    Loss: [last ? last.loss.toFixed(3) : '–', 'all tasks together'],
    'Images per second': [speed === null ? '–' : speed.toFixed(1), 'drawn, augmented and learnt'],
    'Gate right': [figures ? `${(100 * figures.gateAccuracy).toFixed(0)} %` : '–', 'on 8 held-back pictures'],
    ...Object.fromEntries(
      Object.entries(figures?.dice ?? {}).map(([structure, dice]) => [
        `Dice ${structure}`,
        [Number.isFinite(dice) ? dice.toFixed(2) : '–', 'on 4 held-back pictures'],
      ]),
    ),
  };
  byId('headline', HTMLElement).replaceChildren(
    ...Object.entries(values).map(([label, [value, note]]) =>
      element(
        'li',
        {},
        element('span', { class: 'label' }, label),
        element('strong', {}, value),
        element('p', { class: 'note' }, note),
      ),
    ),
  );
}

runButton.addEventListener('click', () => {
  if (isRunning) {
    isRunning = false;
    runButton.disabled = true;
    status.textContent = 'Pausing …';
    worker.tell({ kind: 'pause' });
    return;
  }
  failureBox.replaceChildren();
  worker.begin();
  worker.tell({ kind: 'run' });
  setRunning(true);
  if (history.length === 0) status.textContent = 'Compiling the kernels for the first step …';
});

resetButton.addEventListener('click', () => {
  [history, figures, speed] = [[], null, null];
  failureBox.replaceChildren();
  setRunning(false);
  status.textContent = 'Beginning anew …';
  beginsAnew = true;
  worker.restart();
});

rate.addEventListener('input', () => {
  const learningRate = 10 ** Number(rate.value);
  byId('rate-text', HTMLOutputElement).textContent = learningRate.toPrecision(2);
  worker.tell({ kind: 'rate', learningRate });
});

// A browser may end a tab in the background without a word, and stops or slows what is not seen: what was learnt is kept, and the speed is measured anew.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) worker.tell({ kind: 'keep' });
  speed = null;
});

startOffline();
showFigures();
worker.restart();
