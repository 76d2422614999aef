/** Threads that decode, prepare and write pictures beside the device's work. The network itself runs on the thread that started them. */
import { Worker } from 'node:worker_threads';
import { sharp } from '../../engine/node/optional.ts';
import { GmtlError } from '../../engine/errors.ts';
import { errorOf, packError } from '../../engine/node/threadErrors.ts';
import { onThreadEnd } from '../data/threadEnd.ts';
import type { InferInput } from './inputs.ts';
import type { PictureNetwork, PreparedAs } from './pictureNetwork.ts';
import type { AdjustResult, PictureDone, PictureWorkOptions } from './pictureWork.ts';
import type { Prediction } from './prediction.ts';
import type { Ask, FromThread, ThreadSetup, ToThread } from './threadMessages.ts';

interface Hand {
  readonly worker: Worker;
  /** Pictures in hand, by number. */
  readonly pictures: Map<number, { resolve(done: PictureDone): void; reject(error: Error): void }>;
  /** Set once the thread has ended: it answers no more. */
  ended: GmtlError | null;
}

/** More than any machine's cores would gain by; each takes some 100 MB. */
export const MOST_THREADS = 256;

/** Beside this file: compiled, as Node 20 runs no TypeScript. */
const THREAD = new URL('./pictureThread.js', import.meta.url);

/** See the file's head. Close them when there are no more pictures. */
export class PictureThreads {
  readonly #network: PictureNetwork<PreparedAs>;
  readonly #adjust: AdjustResult;
  readonly #hands: readonly Hand[];
  #pictures = 0;

  /** @param count 1 to {@link MOST_THREADS}. @throws GmtlError `infer/threads` for others. @param thread what runs in each. */
  constructor(
    count: number,
    network: PictureNetwork<PreparedAs>,
    options: PictureWorkOptions,
    adjust: AdjustResult,
    thread = THREAD,
  ) {
    if (!(Number.isInteger(count) && count >= 1 && count <= MOST_THREADS))
      throw new GmtlError('infer/threads', `${count} threads: give a whole number up to ${MOST_THREADS}`);
    this.#network = network;
    this.#adjust = adjust;
    // sharp's library must be loaded by the main thread first.
    sharp({ create: { width: 1, height: 1, channels: 3, background: '#000' } });
    const { config, source, trainingSet } = network;
    const { preprocess, normalization } = source.options;
    const workerData: ThreadSetup = { config, preparedAs: { preprocess, normalization }, trainingSet, options };
    this.#hands = Array.from({ length: count }, () => {
      const hand: Hand = { worker: new Worker(thread, { workerData }), pictures: new Map(), ended: null };
      hand.worker.on('message', (message: FromThread) => this.#hear(hand, message));
      onThreadEnd(hand.worker, (why, cause) => this.#end(hand, why, cause));
      return hand;
    });
  }

  /** The work on one picture, in the thread that has the fewest in hand. As `workOnPicture`. */
  look(input: InferInput, keeps = false): Promise<PictureDone> {
    const ended = this.#hands.find((hand) => hand.ended)?.ended;
    if (ended) return Promise.reject(ended);
    const hand = this.#hands.reduce((least, one) => (one.pictures.size < least.pictures.size ? one : least));
    const picture = this.#pictures++;
    return new Promise((resolve, reject) => {
      hand.pictures.set(picture, { resolve, reject });
      hand.worker.postMessage({ kind: 'look', picture, input, keeps } satisfies ToThread);
    });
  }

  #end(hand: Hand, why: string, cause?: Error): void {
    hand.ended ??= new GmtlError(
      'infer/thread',
      `a thread that decodes pictures ended (${why}): run again with fewer --threads, or with --threads 0`,
      { cause },
    );
    for (const { reject } of hand.pictures.values()) reject(hand.ended);
    hand.pictures.clear();
  }

  async close(): Promise<void> {
    await Promise.all(this.#hands.map(({ worker }) => worker.terminate()));
  }

  #hear(hand: Hand, message: FromThread): void {
    if (message.kind === 'ask') return void this.#answer(hand, message.call, message.question);
    const waiting = hand.pictures.get(message.picture);
    hand.pictures.delete(message.picture);
    if (message.kind === 'done') waiting?.resolve(message.done);
    else waiting?.reject(errorOf(message.error));
  }

  async #answer({ worker }: Hand, call: number, question: Ask): Promise<void> {
    try {
      const value =
        question.what === 'predict'
          ? await this.#network.predict(question.images, question.count, question.options)
          : await this.#adjust(question.result);
      const buffers = question.what === 'predict' ? buffersOf(value as readonly Prediction[]) : [];
      worker.postMessage({ kind: 'answer', call, value } satisfies ToThread, buffers);
    } catch (error) {
      worker.postMessage({ kind: 'refusal', call, error: packError(error) } satisfies ToThread);
    }
  }
}

/** The memory of predictions, which is handed over and not copied. */
function buffersOf(predictions: readonly Prediction[]): ArrayBuffer[] {
  const arrays = predictions.flatMap(({ gate, masks, retinopathy, edema }) => [gate, masks, retinopathy, edema]);
  return [...new Set(arrays.flatMap((array) => (array ? [array.buffer as ArrayBuffer] : [])))];
}
