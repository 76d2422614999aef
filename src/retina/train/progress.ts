/** How far training is: a bar on a terminal, else plain lines at a bounded rate. */
import { type Options, SingleBar } from 'cli-progress';

/** What one step reports. */
export interface StepProgress {
  /** Optimizer steps done in the run, this one included. */
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  /** Images in this step's batch. */
  readonly images: number;
}

export interface ProgressOptions {
  /** Steps of the whole run. */
  readonly totalSteps: number;
  readonly totalEpochs: number;
  /** Steps already done, when resuming. Default 0. */
  readonly startStep?: number;
  /** Default standard error: standard output stays free for results. */
  readonly stream?: NodeJS.WriteStream;
  /** Where the stream is not a terminal: the least time between two lines. Default 10 seconds. */
  readonly lineIntervalMs?: number;
  /** Milliseconds that never go back. Default `performance.now`. */
  readonly clock?: () => number;
}

/** Shows training's progress: a bar on a terminal, else plain lines at a bounded rate. */
export interface Progress {
  update(report: StepProgress): void;
  /** Shows how far the first run of a new step is, in which drivers compile kernels: dispatches done of all. */
  compiling(done: number, total: number): void;
  /** Shows a line of its own, above the bar. */
  message(text: string): void;
  /** Shows the last state and gives the terminal back. Call it on errors too. */
  stop(): void;
}

/** Shows nothing: for processes beside one that shows. */
export const NO_PROGRESS: Progress = {
  update: () => undefined,
  compiling: () => undefined,
  message: () => undefined,
  stop: () => undefined,
};

/** Where the stream is not a terminal: the least time between two lines on compiling. */
const COMPILE_LINE_MS = 2000;

/** The weight of the newest step in the running means: steady within some 20 steps, yet following a change of speed. */
const SMOOTHING = 0.1;

/** Running means of step time, images per second and loss. */
export class StepMeter {
  readonly #clock: () => number;
  #lastTime: number;
  #secondsPerStep: number | undefined;
  #steps = 0;
  #images: number | undefined;
  #loss: number | undefined;

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#lastTime = clock();
  }

  /** Call once after each step. The first step's time, much of which is compilation, stands for the others only until there is a second. */
  add(report: StepProgress): void {
    const now = this.#clock();
    const mean = this.#steps > 1 ? this.#secondsPerStep : undefined;
    this.#secondsPerStep = smooth(mean, (now - this.#lastTime) / 1000);
    this.#steps++;
    this.#images = smooth(this.#images, report.images);
    // A mean that met a NaN would stay one for ever; the newest loss shows whether training has recovered.
    const previous = this.#loss !== undefined && Number.isFinite(this.#loss) ? this.#loss : undefined;
    this.#loss = smooth(previous, report.loss);
    this.#lastTime = now;
  }

  get loss(): number {
    return this.#loss ?? Number.NaN;
  }

  get imagesPerSecond(): number {
    return this.#images === undefined || !this.#secondsPerStep ? 0 : this.#images / this.#secondsPerStep;
  }

  /** Seconds until `remainingSteps` are done; undefined while only the first step is known. */
  secondsFor(remainingSteps: number): number | undefined {
    return this.#steps > 1 ? (this.#secondsPerStep ?? 0) * remainingSteps : undefined;
  }
}

/** Starts showing progress. The bar redraws on a timer, which keeps the process alive until {@link Progress.stop}. */
export function startProgress(options: ProgressOptions): Progress {
  const stream = options.stream ?? process.stderr;
  return stream.isTTY ? barProgress(options, stream) : lineProgress(options, stream);
}

/** Seconds as `42s`, `3m05s` or `1h02m`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor(whole / 60) % 60)}m`;
}

/** As `onProgress`, but once `stop` is aborted it throws the reason: work that reports each picture ends with the one under way. */
export function orStop(
  stop: AbortSignal | undefined,
  onProgress: (done: number, total: number) => void = () => undefined,
): (done: number, total: number) => void {
  return (done, total) => {
    stop?.throwIfAborted();
    onProgress(done, total);
  };
}

/** Says every ten seconds how far work on pictures before the first step is: `pictures compared: 1,200 of 50,000`. */
export function sayHowFar(
  what: string,
  say: (text: string) => void,
  clock: () => number = () => performance.now(),
): (done: number, total: number) => void {
  let last = clock();
  return (done, total) => {
    if (clock() - last < 10_000) return;
    last = clock();
    say(`${what}: ${done.toLocaleString('en')} of ${total.toLocaleString('en')}`);
  };
}

function barProgress(options: ProgressOptions, stream: NodeJS.WriteStream): Progress {
  const meter = new StepMeter(options.clock);
  const barOptions: Options = {
    format: '{bar} {value}/{total} | epoch {epochs} | loss {loss} | {speed} images/s | ETA {remaining}',
    stream,
    barsize: 24,
    // A crash before stop() would leave a hidden cursor hidden.
    hideCursor: false,
    noTTYOutput: false,
    synchronousUpdate: true,
    fps: 10,
    // Signals belong to the trainer, which saves a checkpoint first.
    gracefulExit: false,
    barCompleteChar: '=',
    barIncompleteChar: '-',
  };
  const bar = new SingleBar(barOptions);
  const startStep = options.startStep ?? 0;
  bar.start(options.totalSteps, startStep, {
    epochs: `-/${options.totalEpochs}`,
    loss: '-',
    speed: '-',
    remaining: '-',
  });
  let running = true;
  return {
    update(report) {
      meter.add(report);
      bar.update(report.step, {
        epochs: `${report.epoch}/${options.totalEpochs}`,
        loss: formatLoss(meter.loss),
        speed: meter.imagesPerSecond.toFixed(1),
        remaining: timeLeft(meter.secondsFor(options.totalSteps - report.step)),
      });
    },
    compiling(done, total) {
      bar.update({ epochs: done < total ? `compiling kernels ${percent(done, total)}` : `-/${options.totalEpochs}` });
    },
    message(text) {
      // Clears the bar's line; the next update draws the bar again below the text. ESC 7 renews the cursor position that cli-progress
      // saved at the start and returns to at the end: else what follows would be written over the messages.
      stream.write(`\r\u001b[K${text}\n\u001b7`);
    },
    stop() {
      if (running) bar.stop();
      running = false;
    },
  };
}

function lineProgress(options: ProgressOptions, stream: NodeJS.WriteStream): Progress {
  const clock = options.clock ?? (() => performance.now());
  const meter = new StepMeter(clock);
  const interval = options.lineIntervalMs ?? 10_000;
  let lastLine = Number.NEGATIVE_INFINITY;
  let lastCompileLine = clock();
  let compiled = Number.POSITIVE_INFINITY;
  let pending: StepProgress | undefined;
  const write = (report: StepProgress) => {
    const parts = [
      `step ${report.step}/${options.totalSteps}`,
      `epoch ${report.epoch}/${options.totalEpochs}`,
      `loss ${formatLoss(meter.loss)}`,
      `${meter.imagesPerSecond.toFixed(1)} images/s`,
      `ETA ${timeLeft(meter.secondsFor(options.totalSteps - report.step))}`,
    ];
    stream.write(`${parts.join(' | ')}\n`);
    lastLine = clock();
    pending = undefined;
  };
  return {
    update(report) {
      meter.add(report);
      pending = report;
      if (clock() - lastLine >= interval) write(report);
    },
    compiling(done, total) {
      // A recording of its own, with kernels of its own, begins.
      if (done <= compiled) lastCompileLine = clock();
      compiled = done === total ? Number.POSITIVE_INFINITY : done;
      // A warm driver cache is done before anybody asks.
      if (done === total || clock() - lastCompileLine < COMPILE_LINE_MS) return;
      stream.write(`compiling kernels ${percent(done, total)}\n`);
      lastCompileLine = clock();
    },
    message(text) {
      stream.write(`${text}\n`);
    },
    stop() {
      if (pending !== undefined) write(pending);
    },
  };
}

function timeLeft(seconds: number | undefined): string {
  return seconds === undefined ? '-' : formatDuration(seconds);
}

function percent(done: number, total: number): string {
  return `${Math.floor((100 * done) / total)}%`;
}

function smooth(mean: number | undefined, value: number): number {
  return mean === undefined ? value : mean + SMOOTHING * (value - mean);
}

function formatLoss(loss: number): string {
  return Number.isFinite(loss) ? loss.toPrecision(4) : String(loss);
}
