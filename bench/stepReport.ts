/** Formats the results of `gmtl bench step` for people, at most 100 columns wide. */
import { type Cell, type Column, formatTable } from '../src/retina/report/table.ts';
import type { StepBench } from './step.ts';
import type { StepRow } from '../src/engine/tuning/stepRows.ts';

/** A replay may cost the host this many times a bare loop over its dispatches. */
const MOST_REPLAY_RATIO = 1.3;
/** Rows of distinct calls shown. */
const CALLS_SHOWN = 30;
const WIDTH = 100;

export interface Machine {
  readonly adapter: string;
  readonly kind: string;
  readonly driver: string;
  readonly date: string;
  /** Calls that run in another version because of tuning. */
  readonly tuned: number;
}

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`;

/** `3.42 ms`, three significant digits. */
export function milliseconds(value: number): string {
  return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)} ms`;
}

/** `24.3 MB`, millions of bytes. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
}

function columns(first: string): Column[] {
  return [
    { header: first },
    { header: 'version' },
    { header: 'n', digits: 0 },
    { header: 'ms', digits: 2 },
    { header: 'share', align: 'right' },
    { header: 'GFLOP/s', digits: 1 },
    { header: 'GB/s', digits: 2 },
    { header: 'bound by' },
    { header: 'of ceiling', align: 'right' },
  ];
}

function cells(row: StepRow, name: string): Cell[] {
  return [
    name,
    row.version ?? '',
    row.count,
    row.milliseconds,
    percent(row.share),
    row.gigaflopsPerSecond,
    row.gigabytesPerSecond,
    row.bound,
    percent(row.ofCeiling),
  ];
}

/** The lines above the table: what was measured, and the step as a whole. */
export function formatStepSummary(bench: StepBench, machine: Machine): string {
  const { workload, ceilings, firstStep: first, cpu, gpu, memory, samples } = bench;
  const total = memory.lastingBytes + memory.plannedBytes;
  const range = `${milliseconds(Math.min(...samples))} to ${milliseconds(Math.max(...samples))}`;
  const verdict =
    cpu.ratio <= MOST_REPLAY_RATIO
      ? `at most ${MOST_REPLAY_RATIO} is aimed at`
      : `above the ${MOST_REPLAY_RATIO} aimed at`;
  const lines: [string, string][] = [
    ['adapter', `${machine.adapter} (${machine.kind})`],
    ['driver', machine.driver],
    [
      'ceilings',
      `copy ${(ceilings.bytesPerSecond / 1e9).toFixed(2)} GB/s, multiply-add ${(ceilings.flopsPerSecond / 1e9).toFixed(1)} GFLOP/s, ` +
        `${(ceilings.secondsPerDispatch * 1e6).toFixed(0)} us per dispatch`,
    ],
    ['model', `${workload.name}; ${workload.parameters.toLocaleString('en')} parameters`],
    [
      'kernels',
      machine.tuned > 0
        ? `tuned: ${machine.tuned} calls are known to be faster in another version`
        : 'as chosen without tuning',
    ],
    [
      'step',
      `${workload.batch} ${workload.batch === 1 ? 'image' : 'images'} of ${workload.size}x${workload.size}; forward, backward, update`,
    ],
    ['', ''],
    ['throughput', `${bench.imagesPerSecond.toFixed(2)} images/s`],
    ['step time', `${milliseconds(bench.stepMs)}, median of ${samples.length} (${range})`],
    [
      'GPU',
      gpu
        ? `${milliseconds(gpu.busyMs)} in ${bench.dispatches} dispatches, ${milliseconds(gpu.spanMs)} from the first to the last`
        : `${bench.dispatches} dispatches, not timed one by one (see below)`,
    ],
    ['CPU', `${milliseconds(cpu.replayMs)} of JavaScript a replay (encode, submit; no waiting)`],
    ['', `${cpu.ratio.toFixed(2)} times a bare loop of its dispatches (${milliseconds(cpu.bareMs)}), ${verdict}`],
    ['', `${milliseconds(cpu.handOverMs)} for all that the host does for a step before it waits`],
    ['data', `${milliseconds(bench.dataWaitMs)} a step of waiting (${workload.data})`],
    ['submits', `${bench.submits.toFixed(bench.submits % 1 === 0 ? 0 : 1)} a step`],
    [
      'memory',
      `${megabytes(total)}: weights, optimizer, inputs ${megabytes(memory.lastingBytes)}; step ${megabytes(memory.plannedBytes)}`,
    ],
    [
      '',
      `${percent(memory.plannedBytes / memory.unplannedBytes)} of the step's ${megabytes(memory.unplannedBytes)} without sharing; ` +
        `${megabytes(memory.leastBytes)} are alive at most`,
    ],
    [
      'first step',
      `${milliseconds(first.total)}: build ${milliseconds(first.build)}, record ${milliseconds(first.record)}, ` +
        `compile ${milliseconds(first.compile)},`,
    ],
    ['', `prepare ${milliseconds(first.prepare)}, run ${milliseconds(first.run)}; ${first.pipelines} pipelines`],
  ];
  return lines.map(([name, text]) => `${name.padEnd(11)} ${text}`.trimEnd()).join('\n');
}

/** The per-op table; with `calls` the longest distinct calls too, each with its shapes. */
export function formatStepTable(bench: StepBench, calls: boolean): string {
  if (bench.rows.length === 0) return `No table of programs:\n${wrapIndented(bench.timer.reason)}`;
  const table = formatTable(
    columns('program'),
    bench.rows.map((row) => cells(row, row.program)),
  );
  const legend = 'n: executions per step; bound by: what limits it at best; of ceiling: how near it comes to that.';
  const parts = [table, legend];
  if (calls) {
    const shown = bench.calls.slice(0, CALLS_SHOWN);
    const [header, rule, ...lines] = formatTable(
      columns('program'),
      shown.map((row) => cells(row, row.program)),
    ).split('\n');
    parts.push(
      ['', header, rule, ...lines.flatMap((line, index) => [line, wrapIndented(shown[index].call ?? '')])].join('\n'),
    );
    if (bench.calls.length > shown.length) parts.push(`… and ${bench.calls.length - shown.length} shorter ones.`);
  }
  return parts.join('\n');
}

/** Wraps text at blanks and indents each line; a word longer than a line is cut short. */
function wrapIndented(text: string): string {
  const lines: string[] = [];
  for (const whole of text.split(' ')) {
    const word = whole.length > WIDTH - 4 ? `${whole.slice(0, WIDTH - 5)}…` : whole;
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`    ${word}`);
  }
  return lines.join('\n');
}
