/** Compares two traces of one forward pass at different sizes, and so finds out how its shapes follow the sizes of its inputs. */
import { GmtlError } from '../errors.ts';
import type { Storage, Value } from '../ops/value.ts';
import { formatShape, type Shape, type TensorSpec } from '../tensor/spec.ts';
import type { Samples, Step, Trace } from './trace.ts';

/** An extent that follows a symbol: `numerator` / `denominator` of it. */
export interface Follows {
  readonly symbol: string;
  readonly numerator: number;
  readonly denominator: number;
}

/** An extent: fixed, following one symbol, or (null) following several. */
export type Extent = number | Follows | null;

/** A value of the graph under one of its shapes; a view has the id of what it views. */
export interface Traced {
  readonly id: number;
  readonly extents: readonly Extent[];
  /** At the first sizes. */
  readonly spec: TensorSpec;
}

export interface MergedStep {
  readonly name: string;
  readonly inputs: readonly Traced[];
  readonly outputs: readonly Traced[];
  /** At the first sizes. */
  readonly attributes: object;
  /** At the second sizes. */
  readonly attributesThere: object;
}

export interface MergedTrace {
  readonly inputs: readonly Traced[];
  readonly steps: readonly MergedStep[];
  readonly outputs: ReadonlyMap<string, Traced>;
  /** Values that no step computes, by id. */
  readonly constants: ReadonlyMap<number, Value>;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** How an extent of `a` at the first sizes and `b` at the second follows the symbols. */
function extentOf(a: number, b: number, samples: Samples): Extent {
  if (a === b) return a;
  for (const [symbol, [first, second]] of Object.entries(samples)) {
    if (a * second !== b * first) continue;
    const divisor = gcd(a, first);
    return { symbol, numerator: a / divisor, denominator: first / divisor };
  }
  return null;
}

/** Numbers the storages of a trace in the order in which they are met, so that two traces of one course number alike. */
class Numbering {
  readonly ids = new Map<Storage, number>();

  of({ storage }: Value): number {
    const known = this.ids.get(storage);
    if (known !== undefined) return known;
    this.ids.set(storage, this.ids.size);
    return this.ids.size - 1;
  }
}

function differs(where: string, a: unknown, b: unknown): GmtlError {
  return new GmtlError(
    'onnx/dynamic',
    `the forward pass takes another course at other sizes: ${where} is ${a} at the first and ${b} at the second. Export it with fixed sizes.`,
  );
}

function sameUpload(a: Trace, b: Trace, first: Value, second: Value): boolean {
  if (first.storage === second.storage) return true;
  const [data, other] = [a.uploads.get(first.storage), b.uploads.get(second.storage)];
  return (
    data !== undefined &&
    other !== undefined &&
    data.length === other.length &&
    data.every((value, index) => value === other[index])
  );
}

/** @throws GmtlError `onnx/dynamic` where the two traces differ in more than sizes. */
export function mergeTraces(a: Trace, b: Trace, samples: Samples): MergedTrace {
  const [firstIds, secondIds] = [new Numbering(), new Numbering()];
  const made = new Set<number>();
  const constants = new Map<number, Value>();
  const merge = (first: Value, second: Value, where: string): Traced => {
    const id = firstIds.of(first);
    const other = secondIds.of(second);
    const [shape, otherShape]: Shape[] = [first.spec.shape, second.spec.shape];
    if (id !== other || shape.length !== otherShape.length || first.spec.dtype !== second.spec.dtype) {
      throw differs(where, `value ${id} ${formatShape(shape)}`, `value ${other} ${formatShape(otherShape)}`);
    }
    const extents = shape.map((extent, axis) => extentOf(extent, otherShape[axis], samples));
    return { id, extents, spec: first.spec };
  };
  const read = (first: Value, second: Value, where: string): Traced => {
    const merged = merge(first, second, where);
    if (!made.has(merged.id) && !constants.has(merged.id)) {
      if (!sameUpload(a, b, first, second)) throw differs(where, 'one constant', 'another');
      constants.set(merged.id, first);
    }
    return merged;
  };
  const produced = (first: Value, second: Value, where: string): Traced => {
    const merged = merge(first, second, where);
    made.add(merged.id);
    return merged;
  };

  const inputs = a.inputs.map((value, index) => produced(value, b.inputs[index], `input ${index}`));
  if (a.steps.length !== b.steps.length)
    throw differs('the number of steps', String(a.steps.length), String(b.steps.length));
  const steps = a.steps.map((step, at): MergedStep => {
    const other: Step = b.steps[at];
    const where = `step ${at} (${step.name})`;
    if (step.name !== other.name || step.inputs.length !== other.inputs.length)
      throw differs(where, step.name, other.name);
    return {
      name: step.name,
      inputs: step.inputs.map((value, index) => read(value, other.inputs[index], `input ${index} of ${where}`)),
      outputs: step.outputs.map((value, index) => produced(value, other.outputs[index], `output ${index} of ${where}`)),
      attributes: step.attributes,
      attributesThere: other.attributes,
    };
  });
  const outputs = new Map<string, Traced>();
  for (const [name, value] of a.outputs) {
    const other = b.outputs.get(name);
    if (!other) throw differs(`output "${name}"`, 'there', 'missing');
    outputs.set(name, read(value, other, `output "${name}"`));
  }
  return { inputs, steps, outputs, constants };
}
