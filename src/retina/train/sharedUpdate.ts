/** The second half of a shared step: the exchange with the other ranks, and the update that every rank makes of it. */
import type { Engine } from '../../engine/autograd/engine.ts';
import { Replay } from '../../engine/autograd/replay.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import * as F from '../../engine/nn/functional.ts';
import type { Ranks } from '../../engine/node/ranks.ts';
import { accumulateProgram } from '../../engine/ops/accumulate/program.ts';
import { exchange, type Exchanged, exchangeKey, type Packed, Received } from './rankExchange.ts';
import { type MicroReport, readReport, type StepReport } from './stepReport.ts';
import type { StepWork } from './stepWork.ts';

/** What an update leaves: the numbers that end the report. */
interface Updated {
  readonly numbers: Tensor;
  readonly hasDots: boolean;
}

/** Exchanges, uploads and updates; the update is captured once for each layout of the exchange. */
export class SharedUpdate {
  readonly #engine: Engine;
  readonly #work: StepWork;
  readonly #ranks: Ranks;
  readonly #wantsStop: () => boolean;
  readonly #scalesLosses: boolean;
  readonly #captured = new Map<string, { received: Received; replay: Replay<Updated> }>();
  /** The gradient norm of the last step. */
  #norm: Promise<number> = Promise.resolve(0);
  #flushes: boolean | null = null;

  constructor(engine: Engine, work: StepWork, ranks: Ranks, wantsStop: () => boolean, scalesLosses: boolean) {
    this.#engine = engine;
    this.#work = work;
    this.#ranks = ranks;
    this.#wantsStop = wantsStop;
    this.#scalesLosses = scalesLosses;
  }

  /**
   * Settles when the update was handed to the device; its report comes later.
   *
   * @param reports of this rank's micro-batches, from their numbers. @param captures whether to capture the update.
   */
  async run(
    packed: Packed,
    reports: (numbers: Float32Array) => MicroReport[],
    captures: boolean,
  ): Promise<{ readonly report: Promise<StepReport> }> {
    this.#flushes ??= await flushesSubnormals(this.#engine);
    const own = { stop: this.#wantsStop(), check: await this.#norm, reports };
    const exchanged = await exchange(this.#ranks, packed, own, this.#flushes);
    const { numbers, hasDots } = await this.#update(packed, exchanged, captures);
    const { stop, reports: all } = exchanged;
    const report = (async () =>
      readReport(all, (await numbers) as Float32Array, 0, { hasDots, scalesLosses: this.#scalesLosses }, stop))();
    this.#norm = report.then(({ gradNorm }) => gradNorm);
    this.#norm.catch(() => undefined);
    return { report };
  }

  async #update(
    { layout }: Packed,
    exchanged: Exchanged,
    captures: boolean,
  ): Promise<{ numbers: Promise<ArrayLike<number>>; hasDots: boolean }> {
    const key = `${layout.shared !== null} ${exchangeKey(exchanged)}`;
    const known = this.#captured.get(key);
    if (known) {
      known.received.write(exchanged);
      known.replay.run();
      const { numbers, hasDots } = known.replay.result;
      return { numbers: numbers.data(), hasDots };
    }
    const received = new Received(this.#engine, layout, exchanged);
    received.write(exchanged);
    if (!captures) {
      const { numbers, hasDots } = this.#compute(received);
      const data = numbers.data();
      numbers.dispose();
      received.dispose();
      return { numbers: data, hasDots };
    }
    const replay = await Replay.capture(this.#engine, () => this.#compute(received), { gradients: true });
    this.#captured.set(key, { received, replay });
    const { numbers, hasDots } = replay.result;
    return { numbers: numbers.data(), hasDots };
  }

  #compute(received: Received): Updated {
    const engine = this.#engine;
    return engine.scope(() => {
      const { gradients, statistics } = received.unpack(this.#work.normLayers);
      const tail = this.#work.update(gradients, statistics);
      const numbers = engine.noGrad(() => F.concat([...tail.numbers], 0));
      engine.keep(numbers);
      return { numbers, hasDots: tail.hasDots };
    });
  }

  dispose(): void {
    for (const { received, replay } of this.#captured.values()) {
      replay.dispose();
      received.dispose();
    }
    this.#captured.clear();
  }
}

/** Whether the device takes subnormal float32 for 0 when it sums gradients: what is summed on the host must do the same. */
async function flushesSubnormals(engine: Engine): Promise<boolean> {
  const [a, b] = [1e-39, 2e-39].map((value) => engine.tensor([value], [1]).keep());
  engine.run(accumulateProgram, [a, b], {});
  const [sum] = await a.data();
  a.dispose();
  b.dispose();
  return sum === 0;
}
