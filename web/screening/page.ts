/** The screening page: takes photographs, hands them to the worker, shows and saves what comes back. */
import { byId, download, downloadJson, element } from '../shared/elements.ts';
import type { Failure } from '../shared/failure.ts';
import { showFailure, startOffline } from '../shared/page.ts';
import { adapterText, cardFacts, resultFacts } from './facts.ts';
import type { Looked, OpenedModel, ScreeningCommand, ScreeningEvent } from './messages.ts';
import { maskPngs, overlayPng, showPicture } from './viewer.ts';

const choose = byId('choose', HTMLInputElement);
const camera = byId('camera', HTMLInputElement);
const modelInput = byId('model', HTMLInputElement);
const calibrated = byId('calibrated', HTMLInputElement);
const status = byId('status', HTMLElement);
const failureBox = byId('failure', HTMLElement);
const progress = byId('progress', HTMLProgressElement);
const thumbs = byId('thumbs', HTMLElement);

interface Photograph {
  readonly name: string;
  readonly file: Blob;
  readonly item: HTMLLIElement;
  state: 'waiting' | 'done' | 'failed';
  looked: Looked | null;
  failure: Failure | null;
}

const photographs: Photograph[] = [];
let model: OpenedModel | null = null;
let current: number | null = null;
let modelFiles: readonly File[] | null = null;
let worker = start();

function start(): Worker {
  const made = new Worker(new URL('./screeningWorker.js', import.meta.url), { type: 'module' });
  made.addEventListener('message', ({ data }: MessageEvent<ScreeningEvent>) => hear(data));
  made.addEventListener('error', () =>
    failAll({ code: 'unexpected', message: 'The worker of this page could not start.' }),
  );
  return made;
}

const tell = (command: ScreeningCommand): void => worker.postMessage(command);

function openModel(files: readonly File[] | null): void {
  modelFiles = files;
  model = null;
  setReady();
  failureBox.replaceChildren();
  status.textContent = 'Opening the model …';
  tell({ kind: 'open', files });
}

function setReady(): void {
  for (const input of [choose, camera]) input.disabled = model === null;
}

function hear(event: ScreeningEvent): void {
  switch (event.kind) {
    case 'loading':
      status.textContent = `Reading the model: ${event.name} (${(event.total / 2 ** 20).toFixed(1)} MiB) …`;
      break;
    case 'opened':
      showModel(event.model);
      break;
    case 'looked':
      finish(event.looked.id, event.looked, null);
      break;
    case 'failed':
      if (event.id === null) failAll(event.failure);
      else finish(event.id, null, event.failure);
      break;
    default:
      event satisfies never;
  }
}

function showModel(opened: OpenedModel): void {
  model = opened;
  setReady();
  byId('trained-on', HTMLElement).textContent =
    `What the network was trained on: ${opened.card.trainingData.replace(/^Trained on /, '')}`;
  byId('calibrated-box', HTMLElement).hidden = opened.calibratedOn === null;
  byId('calibrated-note', HTMLElement).textContent = `fitted on ${opened.calibratedOn} validation images`;
  byId('card', HTMLElement).replaceChildren(...cardFacts(opened.card, opened));
  byId('card-section', HTMLElement).hidden = false;
  status.textContent = `Ready: ${opened.facts.name}, on ${adapterText(opened)}.`;
}

/** Without a model or a device nothing works; a lost device is opened again with the photographs that wait. */
function failAll(failure: Failure): void {
  model = null;
  setReady();
  progress.hidden = true;
  status.textContent = 'There is no model to look with.';
  showFailure(failureBox, failure, () => restart());
}

function restart(): void {
  worker.terminate();
  worker = start();
  openModel(modelFiles);
  for (const [id, one] of photographs.entries()) if (one.state === 'waiting') send(id);
}

const useCalibration = (): boolean => model?.calibratedOn != null && calibrated.checked;

function send(id: number): void {
  const { file, name } = photographs[id];
  tell({ kind: 'look', id, file, name, calibrated: useCalibration() });
}

function add(files: Iterable<File>): void {
  for (const file of files) {
    const name = file.name || 'pasted.png';
    const id = photographs.length;
    const button = element('button', { type: 'button', click: () => show(id) }, element('span', {}, name));
    const item = element('li', {}, button);
    photographs.push({ name, file, item, state: 'waiting', looked: null, failure: null });
    thumbs.append(item);
    send(id);
  }
  byId('pictures', HTMLElement).hidden = photographs.length === 0;
  showProgress();
}

function showProgress(): void {
  const waiting = photographs.filter(({ state }) => state === 'waiting').length;
  progress.hidden = waiting === 0;
  progress.max = photographs.length;
  progress.value = photographs.length - waiting;
  for (const { item, state, failure } of photographs) {
    const badge = { waiting: 'looking …', done: 'done', failed: 'failed' }[state];
    const mark = element('span', { class: `badge${failure ? ' bad' : state === 'done' ? ' good' : ''}` }, badge);
    const button = item.querySelector('button')!;
    button.querySelector('.badge')?.remove();
    button.append(mark);
  }
  if (waiting > 0)
    status.textContent = `${photographs.length - waiting} of ${photographs.length} photographs looked at …`;
  else if (photographs.length > 0) status.textContent = `Done: ${photographs.length} photographs looked at.`;
}

function finish(id: number, looked: Looked | null, failure: Failure | null): void {
  const one = photographs[id];
  Object.assign(one, { looked, failure, state: looked ? 'done' : 'failed' });
  showProgress();
  const isLost = failure !== null && /^(gpu|adapter)\//.test(failure.code);
  if (isLost) {
    // The device is gone or full: what waits is looked at once it is opened again.
    one.state = 'waiting';
    showProgress();
    failAll(failure);
  } else if (current === null || current === id) show(id);
}

function show(id: number): void {
  const { looked, failure, name } = photographs[id];
  if (!looked && !failure) return;
  current = id;
  for (const [index, { item }] of photographs.entries()) {
    item.querySelector('button')?.setAttribute('aria-pressed', String(index === id));
  }
  byId('result', HTMLElement).hidden = false;
  byId('result-title', HTMLElement).textContent = name;
  for (const button of ['print', 'save-json', 'save-overlay', 'save-masks'])
    byId(button, HTMLButtonElement).disabled = !looked;
  const notes = failure ? [failure.message] : (looked?.result.warnings ?? []);
  byId('warnings', HTMLElement).replaceChildren(...notes.map((text) => element('p', { class: 'warning' }, text)));
  document.querySelector<HTMLElement>('.look')!.hidden = !looked;
  if (!looked || !model) return;
  showPicture(looked);
  byId('facts', HTMLElement).replaceChildren(...resultFacts(looked, model, useCalibration()));
}

const stem = (name: string): string => name.replace(/\.[^.]*$/, '');

function onCurrent(button: string, act: (looked: Looked, name: string) => void | Promise<void>): void {
  byId(button, HTMLButtonElement).addEventListener('click', () => {
    const one = current === null ? null : photographs[current];
    if (one?.looked) void act(one.looked, stem(one.name));
  });
}

onCurrent('print', () => print());
onCurrent('save-json', ({ result, milliseconds }, name) =>
  downloadJson(`${name}.json`, {
    ...{ ...result, milliseconds, calibrated: useCalibration(), gmtl: GMTL_VERSION },
    ...{ model: model?.facts, adapter: model?.adapter, notMedicalDevice: true },
  }),
);
onCurrent('save-overlay', async (looked, name) => download(`${name}_overlay.png`, await overlayPng(looked)));
onCurrent('save-masks', async (looked, name) => {
  for (const { structure, png } of await maskPngs(looked)) download(`${name}_${structure}.png`, png);
});

for (const input of [choose, camera]) {
  input.addEventListener('change', () => {
    add(input.files ?? []);
    input.value = '';
  });
}
modelInput.addEventListener('change', () => {
  if (modelInput.files && modelInput.files.length > 0) openModel([...modelInput.files]);
});
calibrated.addEventListener('change', () => {
  for (const [id, one] of photographs.entries()) {
    if (one.state === 'waiting') continue;
    one.state = 'waiting';
    send(id);
  }
  showProgress();
});
const drop = byId('drop', HTMLElement);
addEventListener('dragover', (event) => event.preventDefault());
addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  if (model) add(event.dataTransfer?.files ?? []);
});
drop.addEventListener('dragenter', () => drop.classList.add('over'));
drop.addEventListener('dragleave', () => drop.classList.remove('over'));
addEventListener('paste', (event) => {
  if (model) add(event.clipboardData?.files ?? []);
});

startOffline();
openModel(null);
