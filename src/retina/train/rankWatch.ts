/** What every rank of a training says of its speed, epoch by epoch. */
import { hostname } from 'node:os';
import { gatherValues, type Ranks } from '../../engine/node/ranks.ts';

/** One rank in one epoch. */
export interface RankSpeed {
  readonly rank: number;
  readonly host: string;
  readonly adapter: string;
  readonly imagesPerSecond: number;
  /** Shares of the time, 0 … 1: exchanging gradients, waiting for the slowest rank, waiting for pictures. */
  readonly exchangeShare: number;
  readonly waitShare: number;
  readonly dataShare: number;
  /** Bytes sent to other ranks. */
  readonly sentBytes: number;
}

/** Columns of the ranks' log. */
export const RANK_COLUMNS = [
  'step',
  'epoch',
  'rank',
  'host',
  'adapter',
  'imagesPerSecond',
  'exchangeShare',
  'waitShare',
  'dataShare',
  'sentBytes',
] as const;

/** Measures this rank from one report to the next, and gathers those of all. */
export class RankWatch {
  readonly #ranks: Ranks;
  readonly #adapter: string;
  #since = performance.now();
  #before: { readonly waitMs: number; readonly exchangeMs: number; readonly sentBytes: number };
  #images = 0;
  #starvedMs = 0;

  constructor(ranks: Ranks, adapter: string) {
    this.#ranks = ranks;
    this.#adapter = adapter;
    this.#before = { ...ranks.timing };
  }

  /** Counts a step of this rank. */
  step(images: number): void {
    this.#images += images;
  }

  /** Counts milliseconds in which this rank had no batch to work on. */
  starved(milliseconds: number): void {
    this.#starvedMs += milliseconds;
  }

  /** All ranks since the last report, by rank; what follows is counted anew. */
  async report(): Promise<readonly RankSpeed[]> {
    const milliseconds = performance.now() - this.#since;
    const { waitMs, exchangeMs, sentBytes } = this.#ranks.timing;
    const all = await gatherValues<RankSpeed>(this.#ranks, {
      rank: this.#ranks.rank,
      host: hostname(),
      adapter: this.#adapter,
      imagesPerSecond: (1000 * this.#images) / milliseconds,
      exchangeShare: (exchangeMs - this.#before.exchangeMs) / milliseconds,
      waitShare: (waitMs - this.#before.waitMs) / milliseconds,
      dataShare: this.#starvedMs / milliseconds,
      sentBytes: sentBytes - this.#before.sentBytes,
    });
    this.restart();
    return all;
  }

  /** Leaves out what was before, such as a validation. */
  restart(): void {
    this.#since = performance.now();
    this.#before = { ...this.#ranks.timing };
    this.#images = 0;
    this.#starvedMs = 0;
  }
}

/** `4 ranks: 12.3 images/s; exchange 3 … 4 %, waiting 10 … 20 % of the time`. */
export function describeSpeeds(speeds: readonly RankSpeed[]): string {
  const range = (of: (speed: RankSpeed) => number): string => {
    const percents = speeds.map((speed) => Math.round(100 * of(speed)));
    const [least, most] = [Math.min(...percents), Math.max(...percents)];
    return least === most ? `${least} %` : `${least} … ${most} %`;
  };
  const images = speeds.reduce((sum, { imagesPerSecond }) => sum + imagesPerSecond, 0);
  return (
    `${speeds.length} ranks: ${images.toFixed(1)} images/s; exchange ${range((speed) => speed.exchangeShare)}, ` +
    `waiting for each other ${range((speed) => speed.waitShare)}, for pictures ${range((speed) => speed.dataShare)} of the time`
  );
}
