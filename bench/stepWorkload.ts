/** The training steps that `gmtl bench step` measures: a ConvNeXt classifier, or a preset's multitask network. */
import type { Capture } from '../src/engine/gpu/capture.ts';
import type { Backend } from '../src/engine/ops/backend.ts';

/** A training step that can be run again and again; replayed once it is captured. */
export interface StepWorkload {
  /** `ConvNeXt-atto classifier, 1000 classes`. */
  readonly name: string;
  /** Images per step. */
  readonly batch: number;
  readonly size: number;
  readonly parameters: number;
  /** Where the batches come from. */
  readonly data: string;
  /** The step as captured; null until it is. */
  readonly captured: Capture | null;
  /** Waits for the data of the next step; null where it was made up beforehand. */
  readonly nextData: (() => Promise<void>) | null;
  /** Hands a step to the device, as training does; resolves when its result is read. The next step may be handed over before that. */
  run(step: number): Promise<void>;
  dispose(): void;
}

/** Makes a workload on a backend. */
export type BuildWorkload = (backend: Backend) => StepWorkload | Promise<StepWorkload>;
