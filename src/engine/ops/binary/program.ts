/** The programs of the binary operations: shapes, plans and cost. */
import { kernel } from '../../gpu/shaderKernel.ts';
import { broadcastShapes, broadcastStrides, requireShape } from '../../tensor/shape.ts';
import { formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';
import { type Callable, defineProgram, type NoAttributes } from '../definition.ts';
import { axisFields, type Walk, walkOver } from '../elementwise.ts';
import type { InputKind } from '../signature.ts';
import { requireSameType, storageOf } from '../storage.ts';
import type { BinaryName } from './attributes.ts';
import { referenceBinary } from './reference.ts';

const OPERATIONS: readonly BinaryName[] = ['add', 'sub', 'mul', 'div', 'equal', 'less', 'lessEqual'];

const broadcastKernel = kernel('binary/broadcast');

const vec4Kernel = kernel('binary/vec4');

/** How shaders/binary/vec4.wgsl reads an operand; `kind` is its A_WALK or B_WALK, `divisor` and `tail` count groups of four. */
interface OperandWalk {
  readonly kind: 0 | 1 | 2;
  readonly divisor: number;
  readonly period: number;
  readonly tail: number;
}

/**
 * The walk of an operand whose used axes are some leading ones, some trailing ones, or both around a stretch in the middle; null for
 * other patterns and for runs that do not fit groups of four.
 */
function walkOf(operand: Shape, output: Shape): OperandWalk | null {
  const size = sizeOf(output);
  if (sizeOf(operand) === 1) return { kind: 1, divisor: size / 4, period: 1, tail: 1 };
  const strides = broadcastStrides(operand, output);
  // Axes of extent 1 belong to either side.
  const used = output.map((extent, axis) => extent === 1 || strides[axis] > 0);
  const tailStart = used.lastIndexOf(false) + 1;
  const tail = sizeOf(output.slice(tailStart));
  const firstUsed = output.findIndex((extent, axis) => extent > 1 && used[axis]);
  if (firstUsed >= tailStart) return tail % 4 === 0 ? { kind: 0, divisor: 1, period: 1, tail: tail / 4 } : null;
  const middle = used.indexOf(false, firstUsed);
  if (used.slice(middle, tailStart).some((isUsed, offset) => isUsed && output[middle + offset] > 1)) return null;
  const divisor = sizeOf(output.slice(middle));
  const period = sizeOf(output.slice(firstUsed, middle));
  if (tail === 1) return divisor % 4 === 0 ? { kind: 1, divisor: divisor / 4, period, tail } : null;
  return tail % 4 === 0 ? { kind: 2, divisor: divisor / 4, period, tail: tail / 4 } : null;
}

function pad6(values: readonly number[]): number[] {
  return [...new Array<number>(6 - values.length).fill(0), ...values];
}

/** The fields of an operand's walk, with how far into it a turn of a workgroup comes. */
function operandFields(
  operand: 'a' | 'b',
  { divisor, period, tail }: OperandWalk,
  { overrides: { THREADS } }: Walk,
): Record<string, number> {
  return {
    [`${operand}Divisor`]: divisor,
    [`${operand}Period`]: period,
    [`${operand}Tail`]: tail,
    [`${operand}StepColumn`]: THREADS % tail,
    [`${operand}StepWithin`]: THREADS % divisor,
    [`${operand}StepRow`]: Math.floor(THREADS / divisor) % period,
  };
}

/** The axes of a broadcast, without those of extent 1, neighbors that lie alike in both operands merged: the kernel walks at most six. */
function mergedAxes(op: string, a: Shape, b: Shape, out: Shape): { extent: number; a: number; b: number }[] {
  const [stridesA, stridesB] = [broadcastStrides(a, out), broadcastStrides(b, out)];
  const merged: { extent: number; a: number; b: number }[] = [];
  out.forEach((extent, axis) => {
    if (extent === 1) return;
    const next = { extent, a: stridesA[axis], b: stridesB[axis] };
    const last = merged.at(-1);
    if (last && last.a === extent * next.a && last.b === extent * next.b) {
      merged[merged.length - 1] = { ...next, extent: last.extent * extent };
    } else {
      merged.push(next);
    }
  });
  requireShape(
    merged.length <= 6,
    op,
    `shapes ${formatShape(a)} and ${formatShape(b)} broadcast along more than six axes; reshape them to at most six`,
  );
  return merged;
}

/** The program of one operation with broadcasting; all share the kernels. */
function binaryProgram(name: BinaryName, kind: InputKind = 'arithmetic'): Callable<NoAttributes> {
  const operation = OPERATIONS.indexOf(name);
  return defineProgram<NoAttributes>({
    name,
    signature: { inputs: { a: kind, b: kind }, attributes: {} },
    kernels: [broadcastKernel, vec4Kernel],
    versions: ['broadcast', 'vec4'],
    infer([a, b]) {
      const dtype = requireSameType(name, [a, b]);
      return [{ shape: broadcastShapes(name, a.shape, b.shape), dtype }];
    },
    plan([a, b], [out], _attributes, target, version) {
      const size = sizeOf(out.shape);
      const walkA = walkOf(a.shape, out.shape);
      const walkB = walkOf(b.shape, out.shape);
      const fits = size % 4 === 0 && walkA && walkB;
      const buffers = { a: 'in0', b: 'in1', out: 'out0' } as const;
      if (fits && version !== 'broadcast') {
        const groups = size / 4;
        const walk = walkOver(groups, target);
        return {
          dispatches: [
            {
              kernel: vec4Kernel,
              storage: storageOf(out),
              buffers,
              overrides: { ...walk.overrides, OPERATION: operation, A_WALK: walkA.kind, B_WALK: walkB.kind },
              uniforms: {
                groups,
                share: walk.share,
                ...operandFields('a', walkA, walk),
                ...operandFields('b', walkB, walk),
              },
              workgroups: walk.workgroups,
            },
          ],
        };
      }
      if (version === 'vec4') return null;
      const axes = mergedAxes(name, a.shape, b.shape, out.shape);
      const numbered = (operand: 'a' | 'b') =>
        Object.fromEntries(
          pad6(axes.map((axis) => axis[operand])).map((stride, axis) => [`${operand}${axis}`, stride]),
        );
      const walk = walkOver(size, target);
      return {
        dispatches: [
          {
            kernel: broadcastKernel,
            storage: storageOf(out),
            buffers,
            overrides: { ...walk.overrides, OPERATION: operation, AXES: Math.max(1, axes.length) },
            uniforms: {
              size,
              share: walk.share,
              ...axisFields(
                axes.map(({ extent }) => extent),
                walk,
              ),
              ...numbered('a'),
              ...numbered('b'),
            },
            workgroups: walk.workgroups,
          },
        ],
      };
    },
    reference: ([a, b], _attributes, [out]) => [referenceBinary(name, a, b, out.shape)],
    cost: (_inputs, [out]) => ({ flops: sizeOf(out.shape) }),
  });
}

export const addProgram = binaryProgram('add');
export const subProgram = binaryProgram('sub');
export const mulProgram = binaryProgram('mul');
/** Of integers, too, the quotient is a float. */
export const divProgram = binaryProgram('div', 'promoted');
export const equalProgram = binaryProgram('equal');
export const lessProgram = binaryProgram('less');
export const lessEqualProgram = binaryProgram('lessEqual');
