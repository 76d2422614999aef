/** Tier: no adapter. Progress lines and bar. */
import { Writable } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { formatDuration, StepMeter, sayHowFar, startProgress } from './progress.ts';

/** A stream that remembers what it was given; `isTTY` and the cursor calls are what cli-progress asks of a terminal. */
function memoryStream(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  let text = '';
  const writable = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const stream = Object.assign(writable, { isTTY, columns: 200, rows: 20 }) as unknown as NodeJS.WriteStream;
  return { stream, text: () => text };
}

const report = (step: number, loss = 1) => ({ step, epoch: 1, loss, images: 8 });

test('without a terminal: plain lines at a bounded rate, the first and the last step among them', () => {
  let now = 0;
  const { stream, text } = memoryStream(false);
  const progress = startProgress({ totalSteps: 100, totalEpochs: 2, stream, clock: () => now, lineIntervalMs: 10_000 });
  for (let step = 1; step <= 100; step++) {
    now += 500;
    progress.update(report(step));
  }
  progress.message('saved');
  progress.stop();
  progress.stop();
  const lines = text().trimEnd().split('\n');
  expect(lines[0]).toBe('step 1/100 | epoch 1/2 | loss 1.000 | 16.0 images/s | ETA -');
  expect(lines.slice(1, 5).map((line) => line.split(' ')[1])).toEqual(['21/100', '41/100', '61/100', '81/100']);
  expect(lines.slice(5)).toEqual(['saved', 'step 100/100 | epoch 1/2 | loss 1.000 | 16.0 images/s | ETA 0s']);
});

test('without a terminal: long compiling is said every two seconds of its own, short compiling not at all', () => {
  let now = 0;
  const { stream, text } = memoryStream(false);
  const progress = startProgress({ totalSteps: 100, totalEpochs: 2, stream, clock: () => now });
  const compile = (kernels: number, each: number): void => {
    for (let done = 1; done <= kernels; done++) {
      now += each;
      progress.compiling(done, kernels);
    }
  };
  now += 60_000;
  compile(20, 50);
  now += 60_000;
  compile(20, 50);
  expect(text()).toBe('');
  compile(20, 500);
  expect(text().trimEnd().split('\n')).toEqual(['25%', '45%', '65%', '85%'].map((done) => `compiling kernels ${done}`));
});

test('on a terminal: a bar with loss, speed and the time left', () => {
  vi.useFakeTimers();
  try {
    let now = 0;
    const { stream, text } = memoryStream(true);
    const progress = startProgress({ totalSteps: 10, totalEpochs: 1, startStep: 4, stream, clock: () => now });
    now += 2000;
    vi.advanceTimersByTime(2000);
    progress.update(report(5, 0.25));
    now += 2000;
    progress.update(report(6, 0.25));
    vi.advanceTimersByTime(200);
    progress.message('saved');
    progress.stop();
    expect(text()).toContain('6/10 | epoch 1/1 | loss 0.2500 | 4.0 images/s | ETA 8s');
    expect(text()).toContain('saved\n');
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('the meter follows a change of speed and recovers from a NaN', () => {
  let now = 0;
  const meter = new StepMeter(() => now);
  for (let step = 1; step <= 100; step++) {
    now += step <= 10 ? 10_000 : 100;
    meter.add(report(step, step === 30 ? Number.NaN : 2));
    if (step === 30) expect(meter.loss).toBeNaN();
  }
  expect(meter.loss).toBe(2);
  expect(meter.secondsFor(10)).toBeCloseTo(1, 1);
  expect([9.6, 75, 185, 3725].map(formatDuration)).toEqual(['10s', '1m15s', '3m05s', '1h02m']);
});

test('a first step that compiles kernels does not announce hours', () => {
  let now = 0;
  const meter = new StepMeter(() => now);
  now += 12_500;
  meter.add(report(1));
  expect(meter.secondsFor(209)).toBeUndefined();
  now += 500;
  meter.add(report(2));
  expect(meter.secondsFor(208)).toBe(104);
});

test('work before the first step is heard of every ten seconds, and not where it takes less', () => {
  let now = 0;
  const said: string[] = [];
  const update = sayHowFar(
    'pictures compared',
    (text) => said.push(text),
    () => now,
  );
  for (let done = 1; done <= 2500; done++) {
    now += 9;
    update(done, 2500);
  }
  expect(said).toEqual(['pictures compared: 1,112 of 2,500', 'pictures compared: 2,224 of 2,500']);
});
