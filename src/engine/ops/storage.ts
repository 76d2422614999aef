/** Element formats in programs: which tensors may be float16, and what a plan tells its kernels of it. */
import type { StorageFormat } from '../gpu/kernel.ts';
import { GmtlError } from '../errors.ts';
import { requireShape, sameShape } from '../tensor/shape.ts';
import { type DType, formatShape, type Shape, type TensorSpec } from '../tensor/spec.ts';
import type { Case, Op } from './definition.ts';
import { takesHalf } from './signature.ts';

/** A tensor of another shape with the element type of `spec`: how most programs infer their outputs. */
export function like(spec: TensorSpec, shape: Shape = spec.shape): TensorSpec {
  return { shape, dtype: spec.dtype };
}

/** What a dispatch sets as `storage` (or `result`) for tensors like `spec`. */
export function storageOf(spec: Pick<TensorSpec, 'dtype'>): StorageFormat {
  return spec.dtype === 'f16' ? 'f16' : undefined;
}

/** Throws a `dtype` error unless all `specs` have one element type. Kernels read all their activations in one format. */
export function requireSameType(op: string, specs: readonly TensorSpec[]): DType {
  const [{ dtype }] = specs;
  if (specs.some((spec) => spec.dtype !== dtype)) {
    const types = specs.map((spec) => spec.dtype).join(', ');
    throw new GmtlError('tensor/dtype', `${op}: inputs of types ${types}; cast them to one`);
  }
  return dtype;
}

/** Which inputs of a case are float16 in its float16 variant. */
function isHalfInput(op: Op, testCase: Case, index: number): boolean {
  const { dtype = 'f32' } = testCase.inputs[index];
  return dtype === 'f32' && takesHalf(op.forward.signature.inputs, index);
}

/** Beyond this a float32 number becomes an infinite float16. */
const HALF_LARGEST = 65_504;

/** The case with its activations in float16, for ops that have such kernels; null where none of its inputs can be. */
export function halfCase<A extends object>(op: Op<A>, testCase: Case<A>): Case<A> | null {
  const inputs = testCase.inputs.map((input, index) =>
    isHalfInput(op as unknown as Op, testCase as unknown as Case, index) ? { ...input, dtype: 'f16' as const } : input,
  );
  const halves = inputs.filter(({ dtype }) => dtype === 'f16');
  const representable = halves.every(
    ({ fill }) =>
      typeof fill !== 'object' || !('values' in fill) || fill.values.every((value) => Math.abs(value) <= HALF_LARGEST),
  );
  if (halves.length === 0 || !representable) return null;
  const { tolerance, halfTolerance = tolerance } = testCase;
  return { ...testCase, name: `${testCase.name} (f16)`, inputs, ...(halfTolerance && { tolerance: halfTolerance }) };
}

/** Checks what a program is to add to an input gradient, where it is: of its shape and type. */
export function requireAddend(op: string, addend: TensorSpec | undefined, gradient: TensorSpec): void {
  if (!addend) return;
  requireShape(
    sameShape(addend.shape, gradient.shape),
    op,
    `an addend of shape ${formatShape(addend.shape)} for a gradient of ${formatShape(gradient.shape)}`,
  );
  requireSameType(op, [gradient, addend]);
}
