/** The screening page: takes photographs, hands them to the worker, shows and saves what comes back. */
import { byId, download, downloadJson, element } from '../shared/elements.ts';
import { type Failure, failureOf, isMendable } from '../shared/failure.ts';
import { plainWords, startOffline } from '../shared/page.ts';
import { PageWorker } from '../shared/pageWorker.ts';
import { decodePicture } from './decode.ts';
import { adapterText, cardFacts, resultFacts, trainedOn } from './facts.ts';
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
  /** The model that looked. */
  by: OpenedModel | null;
  failure: Failure | null;
}

const photographs: Photograph[] = [];
let model: OpenedModel | null = null;
let modelFiles: readonly File[] | null = null;
/** The photograph that is shown, and its pixels: those of all would not fit into memory. */
let current: number | null = null;
let kept: { readonly id: number; readonly pixels: Uint8Array } | null = null;
/** The photograph that the worker looks at; one at a time, the others wait here. */
let looking: number | null = null;
let count = 0;

const worker = new PageWorker<ScreeningCommand, ScreeningEvent>({
  name: 'screening',
  box: failureBox,
  hear,
  open: () => {
    model = null;
    looking = null;
    status.textContent = 'Opening the model …';
    worker.tell({ kind: 'open', files: modelFiles });
  },
  leaveOut: (failure) => {
    if (looking === null) return false;
    finish(looking, null, failure);
    return true;
  },
  stopped: () => {
    model = null;
    looking = null;
    progress.hidden = true;
    status.textContent = 'There is no model to look with.';
  },
});

/** What another model said of the photographs is forgotten. */
function openModel(files: readonly File[] | null): void {
  modelFiles = files;
  failureBox.replaceChildren();
  for (const one of photographs) Object.assign(one, { state: 'waiting', looked: null, by: null, failure: null });
  if (current !== null) void show(current);
  worker.begin();
  worker.restart();
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
      if (current === null || current === event.looked.id) kept = { id: event.looked.id, pixels: event.pixels };
      worker.advanced(count++);
      finish(event.looked.id, event.looked, null);
      lookOn();
      break;
    case 'failed':
      if (event.id === null || isMendable(event.failure.code)) worker.fail(event.failure);
      else {
        worker.advanced(count++);
        finish(event.id, null, event.failure);
        lookOn();
      }
      break;
    default:
      event satisfies never;
  }
}

function showModel(opened: OpenedModel): void {
  model = opened;
  byId('trained-on', HTMLElement).textContent = `What the network was trained on: ${trainedOn(opened.card)}`;
  byId('calibrated-box', HTMLElement).hidden = opened.calibratedOn === null;
  byId('calibrated-note', HTMLElement).textContent = `fitted on ${opened.calibratedOn} validation images`;
  byId('card', HTMLElement).replaceChildren(...cardFacts(opened.card, opened));
  byId('card-section', HTMLElement).hidden = false;
  status.textContent = `Ready: ${opened.facts.name}, on ${adapterText(opened)}.`;
  lookOn();
}

const useCalibration = (): boolean => model?.calibratedOn != null && calibrated.checked;

/** Gives the worker the next photograph: the one that is shown before the others. */
function lookOn(): void {
  const waits = ({ state }: Photograph): boolean => state === 'waiting';
  if (model !== null && looking === null && photographs.some(waits)) {
    looking = current !== null && waits(photographs[current]) ? current : photographs.findIndex(waits);
    const { file, name } = photographs[looking];
    worker.tell({ kind: 'look', id: looking, file, name, calibrated: useCalibration() });
  }
  showProgress();
}

function add(files: Iterable<File>): void {
  const before = photographs.length;
  for (const file of files) {
    const name = file.name || 'pasted.png';
    const id = photographs.length;
    const button = element('button', { type: 'button', click: () => void show(id) }, element('span', {}, name));
    const item = element('li', {}, button);
    photographs.push({ name, file, item, state: 'waiting', looked: null, by: null, failure: null });
    thumbs.append(item);
  }
  if (photographs.length === before) {
    status.textContent = 'There is no file in it: drop or paste photographs.';
    return;
  }
  byId('pictures', HTMLElement).hidden = false;
  lookOn();
}

function showProgress(): void {
  const waiting = photographs.filter(({ state }) => state === 'waiting').length;
  const all = photographs.length;
  progress.hidden = waiting === 0 || model === null;
  progress.max = all;
  progress.value = all - waiting;
  for (const [id, { item, state, failure }] of photographs.entries()) {
    const badge = { waiting: id === looking ? 'looking …' : 'waits', done: 'done', failed: 'failed' }[state];
    const mark = element('span', { class: `badge${failure ? ' bad' : state === 'done' ? ' good' : ''}` }, badge);
    const button = item.querySelector('button')!;
    button.querySelector('.badge')?.remove();
    button.append(mark);
  }
  if (model === null || all === 0) return;
  const photographsText = `photograph${all === 1 ? '' : 's'} looked at`;
  status.textContent =
    waiting > 0 ? `${all - waiting} of ${all} ${photographsText} …` : `Done: ${all} ${photographsText}.`;
}

function finish(id: number, looked: Looked | null, failure: Failure | null): void {
  looking = null;
  // Meanwhile another choice may have been made: then it is looked at again.
  const isStale = looked !== null && looked.calibrated !== useCalibration();
  Object.assign(photographs[id], {
    looked,
    by: model,
    failure,
    state: isStale ? 'waiting' : looked ? 'done' : 'failed',
  });
  if (current === null || current === id) void show(id);
}

async function show(id: number): Promise<void> {
  const { looked, by, failure, name, file } = photographs[id];
  current = id;
  for (const [index, { item }] of photographs.entries()) {
    item.querySelector('button')?.setAttribute('aria-pressed', String(index === id));
  }
  byId('result', HTMLElement).hidden = false;
  byId('result-title', HTMLElement).textContent = name;
  const buttons = ['print', 'save-json', 'save-overlay', 'save-masks'].map((button) => byId(button, HTMLButtonElement));
  for (const button of buttons) button.disabled = true;
  const warn = (texts: readonly string[]): void =>
    byId('warnings', HTMLElement).replaceChildren(...texts.map((text) => element('p', { class: 'warning' }, text)));
  warn(failure ? [plainWords(failure).text] : (looked?.result.warnings ?? ['This photograph is looked at soon.']));
  const look = document.querySelector<HTMLElement>('.look')!;
  // Nothing of the photograph before stands under this one's name, not even while this one is decoded.
  look.hidden = true;
  if (!looked || !by) return;
  if (kept?.id !== id) {
    const pixels = await decodePicture(file, name).then(({ data }) => data, failureOf);
    if (current !== id || photographs[id].looked !== looked) return;
    if (!(pixels instanceof Uint8Array)) {
      warn([plainWords(pixels).text]);
      return;
    }
    kept = { id, pixels };
  }
  look.hidden = false;
  byId('facts', HTMLElement).replaceChildren(...resultFacts(looked, by));
  showPicture(looked, kept.pixels);
  for (const button of buttons) button.disabled = false;
}

const stem = (name: string): string => name.replace(/\.[^.]*$/, '');

/** Lets a button act on the photograph that is shown. */
function onCurrent(
  button: string,
  act: (one: Photograph, looked: Looked, pixels: Uint8Array) => void | Promise<void>,
): void {
  byId(button, HTMLButtonElement).addEventListener('click', () => {
    const one = current === null ? null : photographs[current];
    if (one?.looked && kept?.id === current) void act(one, one.looked, kept.pixels);
  });
}

onCurrent('print', () => print());
onCurrent('save-json', ({ name, by }, { result, milliseconds, calibrated: isCalibrated }) =>
  downloadJson(`${stem(name)}.json`, {
    ...{ ...result, milliseconds, calibrated: isCalibrated, gmtl: GMTL_VERSION },
    ...{ model: by?.facts, adapter: by?.adapter, notMedicalDevice: true },
  }),
);
onCurrent('save-overlay', async ({ name }, looked, pixels) =>
  download(`${stem(name)}_overlay.png`, await overlayPng(looked, pixels)),
);
onCurrent('save-masks', async ({ name }, looked) => {
  for (const { structure, png } of await maskPngs(looked)) download(`${stem(name)}_${structure}.png`, png);
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
  for (const one of photographs) if (one.looked) one.state = 'waiting';
  lookOn();
});
const drop = byId('drop', HTMLElement);
addEventListener('dragover', (event) => event.preventDefault());
addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  add(event.dataTransfer?.files ?? []);
});
drop.addEventListener('dragenter', () => drop.classList.add('over'));
drop.addEventListener('dragleave', () => drop.classList.remove('over'));
addEventListener('paste', (event) => {
  add(event.clipboardData?.files ?? []);
});

startOffline();
openModel(null);
