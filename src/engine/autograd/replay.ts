import type { CapturedStep } from '../gpu/capture.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { collectTensors, type Engine } from './engine.ts';
import type { Tensor } from './tensor.ts';

/**
 * A computation without gradients that is recorded once and then replayed: from tensors that the caller overwrites before each run to tensors
 * that each run overwrites. On backends that cannot record it runs anew each time.
 */
export class Replay<T> {
  readonly #engine: Engine;
  readonly #body: () => T;
  readonly #step: CapturedStep | null;
  #result: T;
  #owned: readonly Tensor[];

  private constructor(engine: Engine, body: () => T, result: T, owned: readonly Tensor[], step: CapturedStep | null) {
    this.#engine = engine;
    this.#body = body;
    this.#result = result;
    this.#owned = owned;
    this.#step = step;
  }

  /** Records `body` and runs it once. It must be synchronous and return its results: tensors, or objects and arrays of them. */
  static async record<T>(engine: Engine, body: () => T): Promise<Replay<T>> {
    const { backend } = engine;
    if (!(backend instanceof GpuBackend)) {
      const { result, owned } = evaluate(engine, body);
      return new Replay(engine, body, result, owned, null);
    }
    let made: { result: T; owned: Tensor[] } | null = null;
    const step = await backend.gpu.captureAsync(() => {
      made = evaluate(engine, body);
    });
    const { result, owned } = made as unknown as { result: T; owned: Tensor[] };
    return new Replay(engine, body, result, owned, step);
  }

  /** What the last run gave. The tensors are the replay's own: read or copied before the next run, not disposed of. */
  get result(): T {
    return this.#result;
  }

  run(): void {
    if (this.#step) {
      this.#engine.backend.flush?.();
      this.#step.replay();
      return;
    }
    for (const tensor of this.#owned) tensor.dispose();
    const { result, owned } = evaluate(this.#engine, this.#body);
    this.#result = result;
    this.#owned = owned;
  }

  dispose(): void {
    for (const tensor of this.#owned) tensor.dispose();
    this.#owned = [];
    this.#step?.dispose();
  }
}

function evaluate<T>(engine: Engine, body: () => T): { result: T; owned: Tensor[] } {
  const result = engine.noGrad(() => engine.scope(body));
  const owned = [...collectTensors(result)];
  for (const tensor of owned) engine.keep(tensor);
  return { result, owned };
}

/** Keeps the last few things made under a key and disposes of the one that was used least recently. */
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
