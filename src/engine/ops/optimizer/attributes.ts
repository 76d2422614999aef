/** What the steps of optimizers and the programs beside them are set by. */

/** How one parameter of a step is treated. */
export interface StepSlot {
  /** Group of four floats in the state that holds what changes from step to step: AdamW's learning rate and bias corrections. */
  readonly head: number;
  /** Group of four floats in the state at which its moments start: one after the other, `momentGroups` each. */
  readonly first: number;
  /** Multiplies the learning rate. */
  readonly lrScale: number;
  readonly weightDecay: number;
}

export interface StepAttributes {
  /** One entry per parameter. */
  readonly slots: readonly StepSlot[];
}

/** A slot's weight decay is decoupled: the parameter shrinks by lr * weightDecay of itself. */
export interface AdamwAttributes extends StepAttributes {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
}

/** A slot's weight decay is L2: it joins the gradient, and so the velocity. */
export interface SgdAttributes extends StepAttributes {
  readonly momentum: number;
  readonly nesterov: boolean;
}

/** A slot's weight decay is L2: it joins the gradient. */
export interface RmspropAttributes extends StepAttributes {
  readonly alpha: number;
  readonly eps: number;
  readonly momentum: number;
}

export interface AveragesAttributes {
  /** For each tensor the group of four floats in the state at which its average starts. */
  readonly first: readonly number[];
}

export interface SwapAttributes {
  /** Group of four floats in the state at which the other content starts. */
  readonly first: number;
}

export interface SquaresAttributes {
  readonly tensors: readonly {
    /** The first slot this tensor writes; it writes `slotsFor(its size)` of them. */
    readonly first: number;
    /** Multiplies the elements: 1, or 0 for a tensor (the loss) that is only searched for NaN and Inf. Default 1. */
    readonly weight?: number;
  }[];
}

export interface ClipGuardAttributes {
  /** Slots in use. */
  readonly count: number;
  /** Gradients are scaled down to this norm; 0: never. */
  readonly maxNorm: number;
  /** Whether a guard that once found something not finite stays shut. Default false. */
  readonly sticky?: boolean;
  /** Finite steps in a row after which the loss scale doubles; 0 (default): it stays what it is. */
  readonly growthInterval?: number;
}

export interface DotsAttributes {
  /** The first slot this pair writes; it writes `slotsFor(its size)` of them. */
  readonly first: number;
}

export interface DotTotalsAttributes {
  /** The first slot to sum. Default 0. */
  readonly first?: number;
  /** Slots to sum. */
  readonly count: number;
}

export interface AxpyAttributes {
  /** Which element of alpha. Default 0. */
  readonly index?: number;
  /** Multiplies alpha. Default 1. */
  readonly scale?: number;
}

/**
 * The largest loss scale: float16 overflows long before it where gradients are of any size, and sums of squares of scaled gradients
 * must stay within float32.
 */
export const LARGEST_LOSS_SCALE = 2 ** 24;

/** As torch.nn.utils.clip_grad_norm_. */
export const CLIP_EPSILON = 1e-6;
