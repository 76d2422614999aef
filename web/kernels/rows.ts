/** The tables of the kernel page. */
import type { BenchRow } from '../../bench/kernels.ts';
import { element } from '../shared/elements.ts';
import type { TestedCase, TimedKernels } from './messages.ts';

const passes = ({ problems }: TestedCase): boolean => problems.length === 0;

/** Figures over all cases, as items of the headline list. */
export function headline(tested: readonly TestedCase[]): HTMLLIElement[] {
  const versions = new Set(tested.flatMap(({ checked }) => checked));
  const failed = tested.filter((result) => !passes(result)).length;
  const skipped = tested.filter((result) => result.skipped !== null).length;
  const figure = (label: string, value: number, note: string): HTMLLIElement =>
    element(
      'li',
      {},
      element('span', { class: 'label' }, label),
      element('strong', {}, String(value)),
      element('p', { class: 'note' }, note),
    );
  return [
    figure('Cases passed', tested.length - failed - skipped, `of ${tested.length}`),
    figure('Cases failed', failed, failed === 0 ? 'none' : 'see the table'),
    figure('Cases skipped', skipped, tested.find((result) => result.skipped !== null)?.skipped ?? 'none'),
    figure('Kernel versions', versions.size, 'held against their references'),
  ];
}

/** An op's row of the table of tests. */
export function opRow(op: string, results: readonly TestedCase[]): HTMLTableRowElement {
  const failed = results.filter((result) => !passes(result));
  const skipped = results.filter((result) => result.skipped !== null).length;
  const milliseconds = results.reduce((sum, result) => sum + result.milliseconds, 0);
  const versions = new Set(results.flatMap(({ checked }) => checked)).size;
  const badge =
    failed.length > 0
      ? element('span', { class: 'badge bad' }, `${failed.length} failed`)
      : skipped === results.length
        ? element('span', { class: 'badge' }, 'skipped')
        : element('span', { class: 'badge good' }, 'passed');
  const problems = failed.flatMap((result) => result.problems.map((text) => `${result.testCase}: ${text}`));
  return element(
    'tr',
    { 'data-op': op },
    element('th', { scope: 'row' }, op),
    element('td', {}, badge),
    element('td', { class: 'number' }, String(results.length)),
    element('td', { class: 'number' }, String(versions)),
    element('td', { class: 'number' }, (milliseconds / 1000).toFixed(1)),
    element('td', { class: 'problems' }, problems.slice(0, 3).join(' · ') + (problems.length > 3 ? ' …' : '')),
  );
}

/** A number in three digits. */
const short = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** A row of the table of benchmarks. */
export function timedRow(row: BenchRow): HTMLTableRowElement {
  const { gigaflopsPerSecond, gigabytesPerSecond, bound, share } = row.rates;
  const cells = [
    short(row.measurement.median),
    gigaflopsPerSecond === null ? '–' : short(gigaflopsPerSecond),
    short(gigabytesPerSecond),
  ];
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, `${row.op} / ${row.testCase}`, element('small', {}, row.program)),
    element('td', {}, row.version ?? 'the only one', ...(row.isDefault ? [] : [element('small', {}, ' not chosen')])),
    ...cells.map((text) => element('td', { class: 'number' }, text)),
    element('td', {}, bound),
    element('td', { class: 'number' }, `${(100 * share).toFixed(0)} %`),
  );
}

/** What the adapter can do at best, in a sentence. */
export function ceilingsText(ceilings: TimedKernels['ceilings'], timer: TimedKernels['timer']): string {
  return (
    `Ceilings measured in this run: ${short(ceilings.bytesPerSecond / 1e9)} GB/s by copying, ` +
    `${short(ceilings.flopsPerSecond / 1e9)} GFLOP/s in registers, ${short(ceilings.secondsPerDispatch * 1e6)} µs per dispatch. ` +
    `Timed by ${timer.kind} (${timer.reason}).`
  );
}
