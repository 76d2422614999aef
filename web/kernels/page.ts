/** The kernel page: tests and benchmarks of the registry on this browser's adapter. */
import type { BenchRow } from '../../bench/kernels.ts';
import { byId, downloadJson, element } from '../shared/elements.ts';
import { showFailure, startOffline } from '../shared/page.ts';
import { ceilingsText, headline, opRow, timedRow } from './rows.ts';
import type { KernelCommand, KernelEvent, OpenedAdapter, TestedCase, TimedKernels } from './messages.ts';

const op = byId('op', HTMLSelectElement);
const versions = byId('versions', HTMLSelectElement);
const testButton = byId('test', HTMLButtonElement);
const timeButton = byId('time', HTMLButtonElement);
const stopButton = byId('stop', HTMLButtonElement);
const saveButton = byId('save', HTMLButtonElement);
const progress = byId('progress', HTMLProgressElement);
const status = byId('status', HTMLElement);
const failureBox = byId('failure', HTMLElement);
const testsBody = byId('tests-table', HTMLTableElement).tBodies[0];
const benchBody = byId('bench-table', HTMLTableElement).tBodies[0];

/** Time for the samples of one benchmark row. */
const SECONDS = 0.2;

let adapter: OpenedAdapter | null = null;
let tested: TestedCase[] = [];
let rows: BenchRow[] = [];
let timed: TimedKernels | null = null;
let wasHidden = false;
let worker = start();

function start(): Worker {
  const made = new Worker(new URL('./kernelsWorker.js', import.meta.url), { type: 'module' });
  made.addEventListener('message', ({ data }: MessageEvent<KernelEvent>) => hear(data));
  made.addEventListener('error', () =>
    fail({ code: 'unexpected', message: 'The worker of this page could not start.' }),
  );
  made.postMessage({ kind: 'open' } satisfies KernelCommand);
  return made;
}

function setBusy(busy: boolean): void {
  for (const control of [testButton, timeButton, op, versions]) control.disabled = busy || adapter === null;
  stopButton.disabled = !busy;
  saveButton.disabled = busy || (tested.length === 0 && rows.length === 0);
}

function fail(failure: { code: string; message: string }): void {
  showFailure(failureBox, failure, () => location.reload());
  status.textContent = 'Stopped by an error.';
  setBusy(false);
}

function hear(event: KernelEvent): void {
  switch (event.kind) {
    case 'opened':
      showAdapter(event.adapter, event.ops);
      break;
    case 'progress':
      progress.max = event.total;
      progress.value = event.done;
      status.textContent = `${event.done} of ${event.total}: ${event.label}`;
      break;
    case 'tested':
      tested.push(event.result);
      showTests(event.result.op);
      break;
    case 'ceilings':
      byId('ceilings', HTMLElement).textContent = ceilingsText(event.ceilings, event.timer);
      break;
    case 'timed':
      rows.push(event.row);
      benchBody.append(timedRow(event.row));
      break;
    case 'done':
      finish(event.timed, event.milliseconds);
      break;
    case 'failed':
      fail(event.failure);
      break;
    default:
      event satisfies never;
  }
}

function showAdapter(found: OpenedAdapter, ops: readonly string[]): void {
  adapter = found;
  const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
  const facts = {
    Adapter: [found.name, found.info.vendor, found.info.architecture].filter(Boolean).join(' · ') || 'not named',
    Kind: found.deviceClass === 'gpu' ? 'a GPU' : 'software (the processor computes)',
    'Largest binding': mebibytes(found.limits.maxStorageBufferBindingSize),
    Features:
      found.features.filter((name) => /^(shader-f16|subgroups|timestamp-query|.*matrix)$/.test(name)).join(', ') ||
      'none',
  };
  byId('adapter', HTMLElement).replaceChildren(
    ...Object.entries(facts).map(([name, value]) =>
      element('div', {}, element('dt', {}, name), element('dd', {}, value)),
    ),
  );
  if (op.options.length === 1) op.append(...ops.map((name) => element('option', { value: name }, name)));
  setBusy(false);
}

function showTests(changed: string): void {
  byId('tests-headline', HTMLElement).replaceChildren(...headline(tested));
  const row = opRow(
    changed,
    tested.filter((result) => result.op === changed),
  );
  const present = testsBody.querySelector(`[data-op="${changed}"]`);
  if (present) present.replaceWith(row);
  else testsBody.append(row);
}

function finish(result: TimedKernels | null, milliseconds: number): void {
  timed = result ?? timed;
  progress.value = progress.max;
  const seconds = `${(milliseconds / 1000).toFixed(1)} s`;
  const hidden = wasHidden ? ' The tab was in the background meanwhile: times may be too long.' : '';
  const faults = result ? result.problems.length : tested.filter(({ problems }) => problems.length > 0).length;
  status.textContent = `Done in ${seconds}${faults > 0 ? `, with ${faults} problems` : ''}.${hidden}`;
  if (!result) showLacking();
  setBusy(false);
}

function showLacking(): void {
  const lacking = [...new Set(tested.flatMap((result) => result.lacking))].filter(
    (name) => !tested.some(({ checked }) => checked.includes(name)),
  );
  byId('lacking', HTMLElement).replaceChildren(
    ...(lacking.length === 0
      ? []
      : [
          element(
            'details',
            {},
            element('summary', {}, `${lacking.length} versions need what this adapter lacks`),
            element('p', { class: 'note' }, lacking.join(', ')),
          ),
        ]),
  );
}

function begin(command: KernelCommand): void {
  failureBox.replaceChildren();
  wasHidden = document.hidden;
  progress.value = 0;
  status.textContent = 'Starting …';
  setBusy(true);
  worker.postMessage(command);
}

testButton.addEventListener('click', () => {
  tested = [];
  testsBody.replaceChildren();
  byId('tests', HTMLElement).hidden = false;
  begin({ kind: 'test', op: op.value });
});

timeButton.addEventListener('click', () => {
  rows = [];
  benchBody.replaceChildren();
  byId('ceilings', HTMLElement).textContent = 'Measuring what the adapter can do at best …';
  byId('bench', HTMLElement).hidden = false;
  begin({ kind: 'time', op: op.value, versions: versions.value === 'all' ? 'all' : 'default', seconds: SECONDS });
});

// A worker in the middle of a kernel hears nothing: stopping means a new one.
stopButton.addEventListener('click', () => {
  worker.terminate();
  status.textContent = 'Stopped.';
  adapter = null;
  setBusy(false);
  worker = start();
});

saveButton.addEventListener('click', () => {
  const passed = tested.length > 0 && tested.every(({ problems }) => problems.length === 0);
  downloadJson('gmtl-kernels.json', {
    ...{ gmtl: GMTL_VERSION, date: new Date().toISOString(), browser: navigator.userAgent, adapter },
    tests: tested.length === 0 ? null : { passed, cases: tested },
    benchmarks: timed && { ...timed, secondsPerRow: SECONDS, wasHidden, rows },
  });
});

document.addEventListener('visibilitychange', () => {
  wasHidden ||= document.hidden;
});

setBusy(false);
startOffline();
