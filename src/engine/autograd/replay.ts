/** Captures a computation on tensors once and replays it. */
import { GmtlError, show } from '../errors.ts';
import type { Capture, CompileProgress } from '../gpu/capture.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { checkAttributes } from '../arguments.ts';
import type { Value } from '../ops/value.ts';
import { collectTensors, Engine, type HostEffects } from './engine.ts';
import { Tensor } from './tensor.ts';

/** Options of `Replay.capture`. */
export interface ReplayOptions {
  /** Whether the body builds a graph, as a training step does. Default false: it runs under `noGrad`. */
  readonly gradients?: boolean;
  /** Reports the progress of the first run, in which drivers compile. */
  readonly onCompile?: CompileProgress;
}

/** What a body gave and did. */
interface Evaluated<T> {
  readonly result: T;
  /** The tensors of the result that the body made. */
  readonly tensors: readonly Tensor[];
  readonly actions: readonly (() => void)[];
  /** The gradients that the body made and left in their leaves. */
  readonly gradients: ReadonlyMap<Tensor, Value>;
}

/**
 * A computation that is captured once and then replayed. It reads tensors that the caller overwrites before each run, and each run
 * overwrites the tensors of its result. On backends that cannot capture, it runs anew each time.
 *
 * What the body does on the host happens once, at the capture, save for two things: the counts of `optimizer.update()`, and gradients. A gradient
 * that backward makes in the body is made anew at each run, not added to that of the run before, and put into its leaf's `grad`, unless the body's
 * own `zeroGrad` took it away. Memory that the step uses stays in place until {@link dispose}, also that of tensors which are freed before.
 *
 * ```ts
 * const body = () => {
 *   const loss = F.crossEntropy(net.forward(x), y);
 *   loss.backward();
 *   optimizer.update();
 *   optimizer.zeroGrad();
 *   return loss;
 * };
 * optimizer.advance();
 * const replay = await Replay.capture(engine, body, { gradients: true }); // the first step
 * x.write(images); y.write(labels); optimizer.lr = 0.01; optimizer.advance();
 * replay.run(); // the next one
 * ```
 */
export class Replay<T> {
  readonly #engine: Engine;
  readonly #evaluate: () => Evaluated<T>;
  readonly #captured: Capture | null;
  #last: Evaluated<T>;
  #disposed = false;

  private constructor(engine: Engine, evaluate: () => Evaluated<T>, first: Evaluated<T>, captured: Capture | null) {
    this.#engine = engine;
    this.#evaluate = evaluate;
    this.#last = first;
    this.#captured = captured;
  }

  /**
   * Captures `body` and runs it once. It must be synchronous and return its results: tensors, or objects, arrays and maps of them.
   * Nothing else may run on the engine's device before the promise settles. Where it is refused, nothing has run, and gradients that the body made are null.
   *
   * @throws GmtlError `gpu/capture` for a write from the host in the body (`write`, `setStep`, `optimizer.advance()` and `step()`), `autograd/engine`
   * for results of another engine, what `body` throws and what the device reports.
   */
  static async capture<T>(engine: Engine, body: () => T, options: ReplayOptions = {}): Promise<Replay<T>> {
    checkAttributes('Replay.capture', { gradients: 'flag?', onCompile: 'anything?' }, options);
    if (!(engine instanceof Engine) || typeof body !== 'function')
      throw new GmtlError(
        'autograd/engine',
        `Replay.capture takes an engine and a function, not ${show(engine)} and ${show(body)}`,
      );
    const { gradients = false, onCompile } = options;
    const evaluateWith = (effects: HostEffects): Evaluated<T> => {
      const scoped = () => engine.scope(body);
      const result = engine.collectingEffects(effects, () => (gradients ? scoped() : engine.noGrad(scoped)));
      const found = [...collectTensors(result)];
      const tensors = found.filter((tensor) => effects.made.has(tensor));
      for (const tensor of tensors) engine.keep(tensor);
      // The others are freed, and their graph is not to be held for as long as the replay lives.
      effects.made.clear();
      const foreign = found.find((tensor) => tensor.engine !== engine);
      if (foreign) {
        for (const tensor of tensors) tensor.dispose();
        throw new GmtlError(
          'autograd/engine',
          `Replay.capture: the result ${foreign} belongs to another engine than the one that is captured`,
        );
      }
      const left = [...effects.gradients].filter(([leaf, gradient]) => leaf.grad === gradient);
      return {
        result,
        tensors,
        actions: effects.actions,
        gradients: new Map(left.map(([leaf, { value }]) => [leaf, value])),
      };
    };
    const noEffects = (): HostEffects => ({ actions: [], gradients: new Map(), made: new Set() });
    const evaluate = () => evaluateWith(noEffects());
    const { backend } = engine;
    if (!(backend instanceof GpuBackend)) return new Replay(engine, evaluate, evaluate(), null);
    const effects = noEffects();
    let first: Evaluated<T> | null = null;
    try {
      const captured = await backend.gpu.captureAsync(() => {
        first = evaluateWith(effects);
        // Of which each run writes the memory, whoever takes them from their leaves.
        for (const { storage } of first.gradients.values()) storage.retain();
      }, onCompile);
      return new Replay(engine, evaluate, first as unknown as Evaluated<T>, captured);
    } catch (cause) {
      // Nothing ran, so they have no content.
      for (const [leaf, gradient] of effects.gradients) {
        if (leaf.grad === gradient) leaf.grad = null;
        gradient.dispose();
      }
      throw cause;
    }
  }

  /** Results of the last run. The replay owns those of their tensors that the body made: read or copy them before the next run, and do not dispose of them. */
  get result(): T {
    return this.#last.result;
  }

  /** What the device replays, for measurements. Null on backends that cannot capture. */
  get captured(): Capture | null {
    return this.#captured;
  }

  /**
   * Runs the computation again on what its inputs hold now, after everything submitted to the device before; does not wait. Overwrites {@link result}.
   * @throws GmtlError `gpu/capture` once it was disposed of, `gpu/destroyed` after its engine, and what the device reports.
   */
  run(): void {
    const { actions, gradients } = this.#last;
    if (this.#captured) {
      this.#engine.backend.flush?.();
      this.#captured.replay();
      for (const action of actions) action();
      for (const [leaf, value] of gradients) this.#giveGradient(leaf, value);
      return;
    }
    if (this.#disposed)
      throw new GmtlError('gpu/capture', 'this replay was disposed of and cannot run again: capture it anew');
    for (const leaf of gradients.keys()) this.#takeGradient(leaf);
    this.#disposeResult();
    this.#last = this.#evaluate();
  }

  #giveGradient(leaf: Tensor, value: Value): void {
    if (leaf.disposed || leaf.grad?.value.storage === value.storage) return;
    this.#takeGradient(leaf);
    value.storage.retain();
    leaf.grad = new Tensor(this.#engine, value, null, false);
  }

  #takeGradient(leaf: Tensor): void {
    leaf.grad?.dispose();
    leaf.grad = null;
  }

  /** Frees the tensors of {@link result} that the body made, and the memory of the capture; it cannot run again. A second call does nothing. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#disposeResult();
    if (!this.#captured) return;
    for (const { storage } of this.#last.gradients.values()) storage.release();
    this.#captured.dispose();
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
