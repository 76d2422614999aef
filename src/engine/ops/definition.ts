/**
 * What an op is, as data. A *program* is one thing a backend can execute (a forward pass, an input gradient, an optimizer
 * step): it infers its outputs, plans its dispatches, and has a float64 reference. An *op* is a differentiable function made of
 * programs. src/engine/ops/index.ts lists all ops; tests and benchmarks walk that list.
 */
import type { KernelDefinition, Plan, PlanTarget } from '../gpu/kernel.ts';
import type { DType, Shape, TensorSpec } from '../tensor/spec.ts';
import type { Signature } from './signature.ts';
import type { Value } from './value.ts';

/** An n-dimensional array of the references: row-major, contiguous, float64 whatever the dtype. */
export interface NdArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/** Of programs without attributes. */
export type NoAttributes = Record<never, never>;

/** What a program computes with and how much it moves; the bench divides by the measured time. */
export interface Cost {
  /** Floating-point operations (a multiply-add counts two). */
  readonly flops: number;
  /** Bytes of compulsory traffic; by default every input read once and every output written once. */
  readonly bytes?: number;
}

/**
 * `A` are the attributes: a plain JSON-able record. Everything that changes the result is an input, an input's shape or an attribute.
 */
export interface Program<A extends object = object> {
  /** The op's name, or `<op>.<part>` such as `layernorm.backward`. Unique. */
  readonly name: string;
  /** What it may be given, of programs that tensors reach from outside: see `Callable`. */
  readonly signature?: Signature<A>;
  /** Specs of the outputs. Throws a `shape` error that names the op and the shapes. May return [] when `mutates` is not empty. */
  infer(inputs: readonly TensorSpec[], attributes: A): readonly TensorSpec[];
  /** Kernels that `plan` may use. */
  readonly kernels: readonly KernelDefinition[];
  /** Names of the versions `plan` knows, simplest first. One version: leave it out. */
  readonly versions?: readonly string[];
  /**
   * The ordered dispatches. Pure. Without `version` it picks the best for the target; with one it must use that version
   * or return null where this version cannot serve these shapes on this target (the tests then skip it).
   */
  plan(
    inputs: readonly TensorSpec[],
    outputs: readonly TensorSpec[],
    attributes: A,
    target: PlanTarget,
    version?: string,
  ): Plan | null;
  /** Indices of inputs that are updated in place where they are given (bound read_write; the reference updates their `data`). */
  readonly mutates?: readonly number[];
  /** Whether a call of these attributes changes them. Default: it does. */
  mutatesWith?(attributes: A): boolean;
  /** Float64, plain loops. Returns the outputs in order. */
  reference(inputs: readonly NdArray[], attributes: A, outputs: readonly TensorSpec[]): Float64Array[];
  /** What a call computes and moves, for the benchmark. */
  cost?(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[], attributes: A): Cost;
}

/** A program that says what it may be given: an op's forward pass, and what `Engine.run` runs. */
export type Callable<A extends object = object> = Program<A> & { readonly signature: Signature<A> };

/** What an op's backward is given. Values from `run` are freed after the call unless they are returned. */
export interface BackwardContext<A extends object> {
  readonly attributes: A;
  /** The forward input; only those in `saves.inputs` (and shapes of all through `inputSpecs`). */
  input(index: number): Value;
  /** The forward output; only those in `saves.outputs`. */
  output(index: number): Value;
  readonly inputSpecs: readonly TensorSpec[];
  readonly outputSpecs: readonly TensorSpec[];
  /** Gradient of the loss with respect to output 0, of its shape. */
  readonly gradOutput: Value;
  /** Whether the gradient of input `index` is wanted. */
  needs(index: number): boolean;
  /**
   * What users of input `index` that came after this one have given its gradient, where that is of `gradOutput`'s type; null where they gave nothing.
   * An op that can add it on the way takes it here, once, and returns the sum as its gradient; who does not take it leaves the adding to the engine.
   */
  takePending(index: number): Value | null;
  run<B extends object>(program: Program<B>, inputs: readonly Value[], attributes: B): Value[];
  /** The same memory under another shape of the same element count. */
  reshape(value: Value, shape: Shape): Value;
}

/** Indices of forward inputs and outputs. */
export interface Saves {
  readonly inputs?: readonly number[];
  readonly outputs?: readonly number[];
}

/** What is saved, by attributes. Taken from a method's type, since those are bivariant and the registry holds ops of all attributes. */
type SavesOf<A extends object> = { of(attributes: A): Saves }['of'];

export interface Differentiable<A extends object> {
  /** Which forward inputs and outputs `backward` reads: they are kept until then. */
  readonly saves: Saves | SavesOf<A>;
  /** One gradient per input, null where there is none (integer inputs, inputs that do not need one). */
  backward(context: BackwardContext<A>): (Value | null)[];
}

/** How an input of a case is filled; all are seeded by the case's name. */
export type Fill =
  | 'normal' // N(0, 1)
  | 'uniform' // U[0, 1)
  | 'positive' // U[0.5, 1.5)
  | 'ones'
  | 'zeros'
  | 'distinct' // a random permutation of evenly spaced numbers: no ties, for max
  | { readonly integersBelow: number }
  | { readonly values: readonly number[] }
  | { readonly head: readonly number[] }; // these, then U[0, 1)

export interface CaseInput {
  readonly shape: Shape;
  readonly dtype?: DType;
  /** `normal` by default. */
  readonly fill?: Fill;
  /** Whether a gradient is checked for this input. Default: true for f32 inputs of differentiable ops. */
  readonly grad?: boolean;
}

export interface Tolerance {
  /** Bound on ||got - want|| / ||want||. */
  readonly relativeL2: number;
  /** Bound on |got - want| of each element, relative to max(1, the largest |want|). */
  readonly element: number;
  /** Why this is what float32 can be expected to give. */
  readonly reason: string;
}

/** `test`: kernels against references. `gradient`: also central differences (keep it tiny). `bench`: timed, not checked. */
export type CasePurpose = 'test' | 'gradient' | 'bench';

export interface Case<A extends object = object> {
  readonly name: string;
  readonly inputs: readonly CaseInput[];
  readonly attributes: A;
  readonly purpose: readonly CasePurpose[];
  /** Default: `SUM_TOLERANCE`. */
  readonly tolerance?: Tolerance;
  /** Of the float16 variant, where more is rounded on the way than the outputs. Default: `tolerance`. */
  readonly halfTolerance?: Tolerance;
}

/** Float32 sums of up to some thousand terms. */
export const SUM_TOLERANCE: Tolerance = {
  relativeL2: 2e-6,
  element: 1e-5,
  reason:
    'float32 rounding (6e-8) of sums of up to some thousand terms of like size, in another order than the reference',
};

/** One rounding of one operation, or a few. */
export const ELEMENTWISE_TOLERANCE: Tolerance = {
  relativeL2: 1e-6,
  element: 2e-6,
  reason: 'a few float32 roundings per element, and the WGSL allowance of a few ulp for exp, tanh, division',
};

/** A differentiable op: its programs, its gradient, and the cases that it is tested and timed with. */
export interface Op<A extends object = object> {
  /** The name of its folder, shader folder, tests, bench rows and labels. */
  readonly name: string;
  readonly forward: Callable<A>;
  /** The forward pass where no gradient will be asked for: output 0 alone, without what only backward reads. Default: `forward`. */
  readonly inference?: Program<A>;
  /** All other programs the op uses (backward parts, other passes). */
  readonly programs?: readonly Program[];
  /** How to differentiate it, or why that is not possible. */
  readonly gradient: Differentiable<A> | { readonly none: string };
  readonly cases: readonly Case<A>[];
}

/**
 * Keeps the attributes' type within the op while the registry can hold all ops in one list. (Methods are bivariant, so this is a
 * plain widening; the registry only ever hands a case's own attributes back to its op.)
 */
export function defineOp<A extends object>(op: Op<A>): Op<A> {
  return op;
}

/** Indices of the inputs of a call that the program updates in place. */
export function mutated({ mutates = [] }: Pick<Program, 'mutates'>, { length }: { readonly length: number }): number[] {
  return mutates.filter((index) => index < length);
}

/** A program as it is: gives its parts their types where it is written. */
export function defineProgram<A extends object>(program: Callable<A>): Callable<A>;
export function defineProgram<A extends object>(program: Program<A>): Program<A>;
export function defineProgram<A extends object>(program: Program<A>): Program<A> {
  return program;
}
