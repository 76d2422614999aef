/** What the main thread and the threads that work on pictures tell each other. */
import type { PackedError } from '../../engine/node/threadErrors.ts';
import type { TrainConfig } from '../config/schema.ts';
import type { TrainingSet } from '../run/trainingSetFormat.ts';
import type { InferInput } from './inputs.ts';
import type { PredictOptions, PreparedAs } from './pictureNetwork.ts';
import type { PictureDone, PictureWorkOptions } from './pictureWork.ts';
import type { InferResult } from './result.ts';

/** What a thread starts with. */
export interface ThreadSetup {
  readonly config: TrainConfig;
  readonly preparedAs: PreparedAs['options'];
  readonly trainingSet: TrainingSet | null;
  readonly options: PictureWorkOptions;
}

/** A question of a thread: the network's answer for pictures, or a result adjusted. */
export type Ask =
  | {
      readonly what: 'predict';
      readonly images: Float32Array;
      readonly count: number;
      readonly options: PredictOptions;
    }
  | { readonly what: 'adjust'; readonly result: InferResult };

export type ToThread =
  | { readonly kind: 'look'; readonly picture: number; readonly input: InferInput; readonly keeps: boolean }
  | { readonly kind: 'answer'; readonly call: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly call: number; readonly error: PackedError };

export type FromThread =
  | { readonly kind: 'ask'; readonly call: number; readonly question: Ask }
  | { readonly kind: 'done'; readonly picture: number; readonly done: PictureDone }
  | { readonly kind: 'failed'; readonly picture: number; readonly error: PackedError };
