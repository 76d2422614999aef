/** What the training page and its worker say to each other. */
import type { Failure } from '../shared/failure.ts';

export type TrainingCommand =
  /** `anew` forgets what the browser's storage keeps. */
  | { readonly kind: 'open'; readonly anew: boolean }
  | { readonly kind: 'run' }
  | { readonly kind: 'pause' }
  /** Puts what was learnt into the browser's storage at the next step. */
  | { readonly kind: 'keep' }
  | { readonly kind: 'rate'; readonly learningRate: number };

/** One step. */
export interface StepEvent {
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly learningRate: number;
}

/** The network's answer for a picture that it never learns from. */
export interface Shown {
  readonly side: number;
  /** RGB bytes. */
  readonly image: Uint8Array;
  /** Structures of the truth, bit by bit. */
  readonly truth: Uint8Array;
  /** Structures that are more likely than not, bit by bit. */
  readonly predicted: Uint8Array;
}

/** Figures on pictures that the network never learns from. */
export interface Figures {
  readonly step: number;
  /** Aggregated Dice by structure. */
  readonly dice: Readonly<Record<string, number>>;
  readonly gateAccuracy: number;
}

export type TrainingEvent =
  | { readonly kind: 'preparing'; readonly text: string; readonly share: number }
  | {
      readonly kind: 'opened';
      readonly adapter: string;
      readonly parameters: number;
      readonly learningRate: number;
      readonly history: readonly StepEvent[];
      readonly restored: boolean;
      /** False where the browser's storage refused to forget the progress of before. */
      readonly forgotten: boolean;
    }
  | { readonly kind: 'step'; readonly event: StepEvent; readonly imagesPerSecond: number }
  | { readonly kind: 'shown'; readonly figures: Figures; readonly pictures: readonly Shown[] }
  | { readonly kind: 'paused'; readonly saved: boolean }
  | { readonly kind: 'failed'; readonly failure: Failure };
