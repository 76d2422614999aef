/** Tier: no adapter. Training logs: both formats, resuming, and what is refused. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openRunLogs, RunLog, readRunLog } from './logs.ts';

let folder = '';
let base = '';
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'gmtl-logs-'));
  base = join(folder, 'batches');
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const text = (ending: string) => fs.readFileSync(`${base}.${ending}`, 'utf8');
const row = (step: number) => ({ step, loss: 1 / step, note: `a "b", c\nstep ${step}`, routed: step % 2 === 0 });

function write(from: number, to: number, options?: ConstructorParameters<typeof RunLog>[1]): void {
  const log = new RunLog(base, options);
  for (let step = from; step <= to; step++) log.append(row(step));
  log.close();
}

test('writes the same rows as JSON lines and as quoted CSV', () => {
  write(1, 3);
  expect(readRunLog(`${base}.jsonl`)).toEqual([row(1), row(2), row(3)]);
  const cells: string[][] = parse(text('csv'));
  expect(cells[0]).toEqual(['step', 'loss', 'note', 'routed']);
  expect(cells[3]).toEqual(['3', String(1 / 3), 'a "b", c\nstep 3', 'false']);
});

test('a non-finite loss stays visible in both files and comes back as a number', () => {
  const log = new RunLog(base);
  log.append({ step: 1, loss: Number.NaN, worst: -Infinity });
  log.close();
  expect(text('jsonl')).toBe('{"step":1,"loss":"NaN","worst":"-Infinity"}\n');
  expect(text('csv')).toBe('step,loss,worst\n1,NaN,-Infinity\n');
  expect(readRunLog(`${base}.jsonl`)).toEqual([{ step: 1, loss: Number.NaN, worst: -Infinity }]);
});

test('buffers, and flush brings the rows to the files', () => {
  const log = new RunLog(base, { flushIntervalMs: 1e9 });
  log.append(row(1));
  expect(text('jsonl')).toBe('');
  log.flush();
  expect(readRunLog(`${base}.jsonl`)).toHaveLength(1);
  log.append(row(2));
  log.close();
  log.close();
  expect(readRunLog(`${base}.jsonl`)).toHaveLength(2);
  const eager = new RunLog(join(folder, 'eager'), { flushIntervalMs: 0 });
  eager.append(row(1));
  expect(readRunLog(join(folder, 'eager.jsonl'))).toHaveLength(1);
  eager.close();
});

test.each([0, 1, 5, 9])('resuming from step %i reads as if training had never stopped', (resumeStep) => {
  write(1, 12);
  const whole = { json: text('jsonl'), csv: text('csv') };
  fs.rmSync(`${base}.jsonl`);
  fs.rmSync(`${base}.csv`);
  write(1, 9);
  // What a kill leaves: the JSON cut within a row, the CSV behind it.
  fs.appendFileSync(`${base}.jsonl`, '{"step":10,"lo');
  fs.truncateSync(`${base}.csv`, text('csv').length - 30);
  write(resumeStep + 1, 12, { resumeStep });
  expect(text('jsonl')).toBe(whole.json);
  expect(text('csv')).toBe(whole.csv);
});

test('resuming keeps NaN and columns named in advance', () => {
  const columns = ['step', 'loss', 'dice'];
  const first = new RunLog(base, { columns });
  first.append({ step: 1, loss: Number.NaN });
  first.close();
  const second = new RunLog(base, { columns, resumeStep: 1 });
  second.append({ step: 2, loss: 1, dice: 0.5 });
  second.close();
  expect(text('csv')).toBe('step,loss,dice\n1,NaN,\n2,1,0.5\n');
  expect(readRunLog(`${base}.jsonl`)[0].loss).toBeNaN();
});

test('refuses a log that exists, an unknown column, a falling step, a damaged line', () => {
  write(1, 3);
  expect(() => new RunLog(base)).toThrow(/exists already/);
  const log = new RunLog(base, { resumeStep: 3 });
  expect(() => log.append({ step: 4, surprise: 1 })).toThrow(/surprise is not in its header \(step, loss/);
  expect(() => log.append(row(2))).toThrow(/step 2 after one of step 3/);
  log.close();
  expect(() => log.append(row(9))).toThrow(/closed/);
  fs.writeFileSync(`${base}.jsonl`, '{"step":1}\nrubbish\n{"step":2}\n');
  expect(() => new RunLog(base, { resumeStep: 2 })).toThrow(/batches.jsonl, line 2: no valid JSON/);
});

test('opens both logs of a run', () => {
  const logs = openRunLogs(folder, { epochColumns: ['step', 'epoch', 'dice'] });
  logs.batches.append({ step: 1, loss: 2 });
  logs.epochs.append({ step: 1, epoch: 0 });
  logs.flush();
  logs.close();
  expect(fs.readdirSync(folder).sort()).toEqual(['batches.csv', 'batches.jsonl', 'epochs.csv', 'epochs.jsonl']);
  expect(fs.readFileSync(join(folder, 'epochs.csv'), 'utf8')).toBe('step,epoch,dice\n1,0,\n');
});

test('a log that was cut before its checkpoint is refused: its rows went from the CSV as well', () => {
  const begin = (): void => {
    const logs = openRunLogs(folder);
    for (let step = 1; step <= 4; step++) logs.batches.append({ step, loss: step });
    logs.close();
  };
  begin();
  const whole = fs.readFileSync(join(folder, 'batches.jsonl'), 'utf8');
  const table = fs.readFileSync(join(folder, 'batches.csv'), 'utf8');
  for (const length of [0, 7, whole.length - 1]) {
    fs.writeFileSync(join(folder, 'batches.jsonl'), whole.slice(0, length));
    expect(() => openRunLogs(folder, { resumeStep: 4 })).toThrow(
      /batches.jsonl ends at step \d, and the checkpoint is of step 4/,
    );
    expect(fs.readFileSync(join(folder, 'batches.csv'), 'utf8')).toBe(table);
  }
  // What the message advises.
  for (const name of ['batches.jsonl', 'batches.csv']) fs.rmSync(join(folder, name));
  openRunLogs(folder, { resumeStep: 4 }).close();
  fs.writeFileSync(join(folder, 'batches.jsonl'), whole);
  openRunLogs(folder, { resumeStep: 4 }).close();
  expect(fs.readFileSync(join(folder, 'batches.csv'), 'utf8')).toBe(table);
});
