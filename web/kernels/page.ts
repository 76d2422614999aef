/** The kernel page: tests and benchmarks of the registry on this browser's adapter. */
import type { BenchProblem, BenchRow } from '../../bench/kernels.ts';
import { byId, downloadJson, element } from '../shared/elements.ts';
import { startOffline } from '../shared/page.ts';
import { PageWorker } from '../shared/pageWorker.ts';
import { ceilingsText, headline, opRow, timedRow } from './rows.ts';
import type { KernelCommand, KernelEvent, KernelWork, ShownAdapter, TestedCase, TimedKernels } from './messages.ts';

const op = byId('op', HTMLSelectElement);
const cases = byId('cases', HTMLSelectElement);
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

let adapter: ShownAdapter | null = null;
let tested: TestedCase[] = [];
let rows: BenchRow[] = [];
let problems: BenchProblem[] = [];
let measured: TimedKernels | null = null;
let wasHidden = false;
let opNames: readonly string[] = [];

/** What is under way: it outlives a worker whose device was lost. */
interface Job {
  readonly work: KernelWork;
  readonly since: number;
  /** What the worker began last. */
  at: { readonly op: string; readonly testCase: string } | null;
  /** Whether that is left out, because it failed twice. */
  leavesOut: boolean;
}
let job: Job | null = null;

const worker = new PageWorker<KernelCommand, KernelEvent>({
  name: 'kernels',
  box: failureBox,
  hear,
  open: () => {
    adapter = null;
    setBusy(job !== null);
    worker.tell({ kind: 'open' });
  },
  leaveOut: ({ message }) => {
    // What failed since is the opening: there is nothing more to leave out.
    if (!job?.at || job.leavesOut) return false;
    const { op: name, testCase } = job.at;
    if (job.work.kind === 'test') {
      tested.push({
        op: name,
        testCase,
        milliseconds: 0,
        checked: [],
        lacking: [],
        problems: [message],
        skipped: null,
      });
      showTests(name);
    } else problems.push({ op: name, testCase, message });
    job.leavesOut = true;
    return true;
  },
  stopped: () => {
    job = null;
    adapter = null;
    status.textContent = 'Stopped by an error.';
    setBusy(false);
  },
});

const namesOf = ({ op: name }: KernelWork): readonly string[] => (name === '' ? opNames : [name]);

/** Tells the worker to do what is left of the job. An op whose benchmarks were interrupted is timed again, all of it. */
function goOn({ work, at, leavesOut }: Job): void {
  if (work.kind === 'test') {
    worker.tell({ ...work, from: tested.length });
    return;
  }
  const names = namesOf(work);
  const from = at === null ? 0 : names.indexOf(at.op) + (leavesOut ? 1 : 0);
  const isKept = ({ op: name }: BenchProblem | BenchRow): boolean => names.indexOf(name) < from;
  rows = rows.filter(isKept);
  problems = problems.filter(isKept);
  benchBody.replaceChildren(...rows.map(timedRow));
  if (from === names.length) finish();
  else worker.tell({ ...work, from });
}

function setBusy(busy: boolean): void {
  for (const control of [testButton, timeButton, op, cases, versions]) control.disabled = busy || adapter === null;
  stopButton.disabled = !busy;
  saveButton.disabled = busy || (tested.length === 0 && rows.length === 0);
}

function hear(event: KernelEvent): void {
  switch (event.kind) {
    case 'opened':
      showAdapter(event.adapter, event.ops);
      break;
    case 'progress':
      if (job && event.done < event.total) {
        job.at = { op: event.op, testCase: event.testCase };
        job.leavesOut = false;
      }
      progress.max = event.total;
      progress.value = event.done;
      status.textContent = `${event.done} of ${event.total}: ${event.label}`;
      break;
    case 'tested':
      tested.push(event.result);
      // A case that the adapter cannot run says nothing of the worker.
      if (event.result.skipped === null) worker.advanced(tested.length);
      showTests(event.result.op);
      break;
    case 'ceilings':
      measured = { ceilings: event.ceilings, timer: event.timer };
      byId('ceilings', HTMLElement).textContent = ceilingsText(event.ceilings, event.timer);
      break;
    case 'timed':
      rows.push(event.row);
      if (job) worker.advanced(namesOf(job.work).indexOf(event.row.op));
      benchBody.append(timedRow(event.row));
      break;
    case 'problem':
      problems.push(event.problem);
      break;
    case 'done':
      finish();
      break;
    case 'failed':
      worker.fail(event.failure);
      break;
    default:
      event satisfies never;
  }
}

function showAdapter(found: ShownAdapter, ops: readonly string[]): void {
  adapter = found;
  const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
  const facts = {
    Adapter: [found.name, found.info.vendor, found.info.architecture].filter(Boolean).join(' · '),
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
  opNames = ops;
  setBusy(job !== null);
  if (job) goOn(job);
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

function finish(): void {
  if (!job) return;
  const isTest = job.work.kind === 'test';
  const seconds = `${((performance.now() - job.since) / 1000).toFixed(1)} s`;
  job = null;
  progress.value = progress.max;
  const hidden = wasHidden ? ' The tab was in the background meanwhile: times may be too long.' : '';
  const faults = isTest ? tested.filter((result) => result.problems.length > 0).length : problems.length;
  status.textContent = `Done in ${seconds}${faults > 0 ? `, with ${faults} problems` : ''}.${hidden}`;
  if (isTest) showLacking();
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

function begin(work: KernelWork): void {
  failureBox.replaceChildren();
  wasHidden = document.hidden;
  progress.value = 0;
  status.textContent = 'Starting …';
  job = { work, since: performance.now(), at: null, leavesOut: false };
  worker.begin();
  setBusy(true);
  worker.tell(work);
}

testButton.addEventListener('click', () => {
  tested = [];
  testsBody.replaceChildren();
  byId('tests', HTMLElement).hidden = false;
  begin({ kind: 'test', op: op.value, from: 0, cases: cases.value === 'fewest' ? 'fewest' : 'all' });
});

timeButton.addEventListener('click', () => {
  [rows, problems, measured] = [[], [], null];
  benchBody.replaceChildren();
  byId('ceilings', HTMLElement).textContent = 'Measuring what the adapter can do at best …';
  byId('bench', HTMLElement).hidden = false;
  begin({
    kind: 'time',
    op: op.value,
    from: 0,
    versions: versions.value === 'all' ? 'all' : 'default',
    seconds: SECONDS,
  });
});

// A worker in the middle of a kernel hears nothing: stopping means a new one.
stopButton.addEventListener('click', () => {
  job = null;
  status.textContent = 'Stopped.';
  worker.restart();
});

saveButton.addEventListener('click', () => {
  const passed = tested.length > 0 && tested.every(({ problems }) => problems.length === 0);
  downloadJson('gmtl-kernels.json', {
    ...{ gmtl: GMTL_VERSION, date: new Date().toISOString(), browser: navigator.userAgent, adapter },
    tests: tested.length === 0 ? null : { passed, cases: tested },
    benchmarks: measured && { ...measured, problems, secondsPerRow: SECONDS, wasHidden, rows },
  });
});

document.addEventListener('visibilitychange', () => {
  wasHidden ||= document.hidden;
});

startOffline();
worker.restart();
