/** What the screening page and its worker say to each other. */
import type { AdapterInfo } from '../../src/engine/gpu/classify.ts';
import type { Structure } from '../../src/retina/domain.ts';
import type { InferResult, StructureRecord } from '../../src/retina/predict/result.ts';
import type { ModelFacts, ModelFolderCard } from '../../src/retina/run/modelFolder.ts';
import type { Failure } from '../shared/failure.ts';

export type ScreeningCommand =
  /** Opens the device and the model: the server's, or that of the files given. */
  | { readonly kind: 'open'; readonly files: readonly File[] | null }
  | {
      readonly kind: 'look';
      readonly id: number;
      readonly file: Blob;
      readonly name: string;
      readonly calibrated: boolean;
    };

/** The model that is open, and where it computes. */
export interface OpenedModel {
  readonly facts: ModelFacts;
  readonly card: ModelFolderCard;
  readonly structures: readonly Structure[];
  readonly imageSize: number;
  /** Number of validation images that it was calibrated on; null where it was not. */
  readonly calibratedOn: number | null;
  /** By which operating point it decides on referrals, in the words of `gmtl infer`. */
  readonly referralNote: string;
  readonly adapter: { readonly name: string; readonly deviceClass: string; readonly info: AdapterInfo };
}

/** A photograph that was looked at. */
export interface Looked {
  readonly id: number;
  readonly result: InferResult;
  /** Where the structures are, packed by `toRuns`. */
  readonly masks: StructureRecord<Uint32Array>;
  /** Whether probabilities and thresholds are the calibrated ones. */
  readonly calibrated: boolean;
  readonly milliseconds: { readonly decode: number; readonly compute: number };
}

export type ScreeningEvent =
  | { readonly kind: 'loading'; readonly name: string; readonly done: number; readonly total: number }
  | { readonly kind: 'opened'; readonly model: OpenedModel }
  /** `pixels`: RGB, the photograph's own. */
  | { readonly kind: 'looked'; readonly looked: Looked; readonly pixels: Uint8Array }
  | { readonly kind: 'failed'; readonly id: number | null; readonly failure: Failure };
