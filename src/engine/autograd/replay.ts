/** Captures a computation on tensors once and replays it. */
import { GmtlError, show } from '../errors.ts';
import type { Capture, CompileProgress } from '../gpu/capture.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { checkAttributes } from '../arguments.ts';
import { collectTensors, Engine } from './engine.ts';
import type { Tensor } from './tensor.ts';

/** Options of `Replay.capture`. */
export interface ReplayOptions {
  /** Whether the body builds a graph, as a training step does. Default false: it runs under `noGrad`. */
  readonly gradients?: boolean;
  /** Reports the progress of the first run, in which drivers compile. */
  readonly onCompile?: CompileProgress;
}

/** The results of a body and the tensors in them. */
interface Evaluated<T> {
  readonly result: T;
  readonly tensors: readonly Tensor[];
}

/**
 * A computation that is captured once and then replayed. It reads tensors that the caller overwrites before each run, and each run
 * overwrites the tensors of its result. On backends that cannot capture, it runs anew each time.
 */
export class Replay<T> {
  readonly #engine: Engine;
  readonly #evaluate: () => Evaluated<T>;
  readonly #captured: Capture | null;
  /** What each run does on the host. */
  readonly #actions: readonly (() => void)[];
  #last: Evaluated<T>;

  private constructor(
    engine: Engine,
    evaluate: () => Evaluated<T>,
    first: Evaluated<T>,
    captured: Capture | null,
    actions: readonly (() => void)[] = [],
  ) {
    this.#engine = engine;
    this.#evaluate = evaluate;
    this.#last = first;
    this.#captured = captured;
    this.#actions = actions;
  }

  /**
   * Captures `body` and runs it once. It must be synchronous and return its results: tensors, or objects, arrays and maps of them.
   * Nothing else may run on the engine's device before the promise settles.
   *
   * @throws GmtlError what the device reports.
   */
  static async capture<T>(engine: Engine, body: () => T, options: ReplayOptions = {}): Promise<Replay<T>> {
    checkAttributes('Replay.capture', { gradients: 'flag?', onCompile: 'anything?' }, options);
    if (!(engine instanceof Engine) || typeof body !== 'function')
      throw new GmtlError(
        'autograd/engine',
        `Replay.capture takes an engine and a function, not ${show(engine)} and ${show(body)}`,
      );
    const { gradients = false, onCompile } = options;
    const evaluate = (): Evaluated<T> => {
      const result = gradients ? engine.scope(body) : engine.noGrad(() => engine.scope(body));
      const tensors = [...collectTensors(result)];
      for (const tensor of tensors) engine.keep(tensor);
      return { result, tensors };
    };
    const { backend } = engine;
    if (!(backend instanceof GpuBackend)) return new Replay(engine, evaluate, evaluate(), null);
    let first: Evaluated<T> | null = null;
    let actions: readonly (() => void)[] = [];
    const captured = await backend.gpu.captureAsync(() => {
      actions = engine.collectingHostActions(() => {
        first = evaluate();
      });
    }, onCompile);
    return new Replay(engine, evaluate, first as unknown as Evaluated<T>, captured, actions);
  }

  /** Results of the last run. The replay owns their tensors: read or copy them before the next run, and do not dispose of them. */
  get result(): T {
    return this.#last.result;
  }

  /** What the device replays, for measurements. Null on backends that cannot capture. */
  get captured(): Capture | null {
    return this.#captured;
  }

  /** Runs the computation again on what its inputs hold now, after everything submitted to the device before; does not wait. Overwrites {@link result}. */
  run(): void {
    if (this.#captured) {
      this.#engine.backend.flush?.();
      this.#captured.replay();
      for (const action of this.#actions) action();
      return;
    }
    this.#disposeResult();
    this.#last = this.#evaluate();
  }

  /** Frees the tensors of {@link result} and the memory of the capture; it cannot run again. */
  dispose(): void {
    this.#disposeResult();
    this.#captured?.dispose();
  }

  #disposeResult(): void {
    for (const tensor of this.#last.tensors) tensor.dispose();
  }
}

/** Keeps the last few values made under keys and disposes of the least recently used one. */
export class RecentlyUsed<T extends { dispose(): void }> {
  readonly #most: number;
  readonly #entries = new Map<string, T>();

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return entry;
  }

  set(key: string, entry: T): void {
    this.#entries.get(key)?.dispose();
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size <= this.#most) return;
    const [oldest, dropped] = [...this.#entries][0];
    this.#entries.delete(oldest);
    dropped.dispose();
  }

  dispose(): void {
    for (const entry of this.#entries.values()) entry.dispose();
    this.#entries.clear();
  }
}
