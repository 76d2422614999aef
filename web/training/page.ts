/** The training page: starts and pauses the worker, and shows how the network learns. */
import { byId, element } from '../shared/elements.ts';
import type { Failure } from '../shared/failure.ts';
import { showFailure, startOffline } from '../shared/page.ts';
import { drawCurve, drawShown } from './draw.ts';
import type { Figures, StepEvent, TrainingCommand, TrainingEvent } from './messages.ts';

const runButton = byId('run', HTMLButtonElement);
const resetButton = byId('reset', HTMLButtonElement);
const rate = byId('rate', HTMLInputElement);
const progress = byId('progress', HTMLProgressElement);
const status = byId('status', HTMLElement);
const curve = document.querySelector<SVGElement>('#curve')!;

let history: StepEvent[] = [];
let figures: Figures | null = null;
let speed: number | null = null;
let isRunning = false;
let drawing = false;
let worker = start();

function start(): Worker {
  const made = new Worker(new URL('./trainingWorker.js', import.meta.url), { type: 'module' });
  made.addEventListener('message', ({ data }: MessageEvent<TrainingEvent>) => hear(data));
  made.addEventListener('error', () =>
    fail({ code: 'unexpected', message: 'The worker of this page could not start.' }),
  );
  made.postMessage({ kind: 'open' } satisfies TrainingCommand);
  return made;
}

const tell = (command: TrainingCommand): void => worker.postMessage(command);

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
      setRunning(false);
      status.textContent =
        `${event.restored ? `Restored at step ${history.at(-1)?.step ?? 0}` : 'Ready'}: ${event.parameters.toLocaleString('en')} ` +
        `parameters on ${event.adapter || 'this adapter'}.`;
      draw();
      break;
    case 'step':
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
      fail(event.failure);
      break;
    default:
      event satisfies never;
  }
}

function fail(failure: Failure): void {
  setRunning(false);
  runButton.disabled = true;
  status.textContent = 'Stopped by an error. What was kept last is restored when the page is opened again.';
  showFailure(byId('failure', HTMLElement), failure, () => location.reload());
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
    'Images a second': [speed === null ? '–' : speed.toFixed(1), 'drawn, augmented and learnt'],
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
    runButton.disabled = true;
    status.textContent = 'Pausing …';
    tell({ kind: 'pause' });
    return;
  }
  tell({ kind: 'run' });
  setRunning(true);
  if (history.length === 0) status.textContent = 'Compiling the kernels for the first step …';
});

resetButton.addEventListener('click', () => {
  const old = worker;
  old.postMessage({ kind: 'reset' } satisfies TrainingCommand);
  [history, figures, speed] = [[], null, null];
  runButton.disabled = true;
  resetButton.disabled = true;
  status.textContent = 'Beginning anew …';
  // The old worker deletes what was kept, then ends itself.
  setTimeout(() => {
    worker = start();
  }, 500);
});

rate.addEventListener('input', () => {
  const learningRate = 10 ** Number(rate.value);
  byId('rate-text', HTMLOutputElement).textContent = learningRate.toPrecision(2);
  tell({ kind: 'rate', learningRate });
});

startOffline();
showFigures();
