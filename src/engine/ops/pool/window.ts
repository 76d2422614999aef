/** Shape arithmetic of windows, and what all pool kernels are dispatched with. */
import type { Dispatch, PlanTarget } from '../../gpu/kernel.ts';
import { ceilDiv, convolutionExtent, requireShape } from '../../tensor/shape.ts';
import { formatShape, type Shape } from '../../tensor/spec.ts';
import { walkRows } from '../rows.ts';
import type { PerAxis, WindowAttributes } from './attributes.ts';

/** A window along one axis and the extents it leads from and to. */
export interface WindowAxis {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly input: number;
  readonly output: number;
}

export interface Window {
  readonly batch: number;
  readonly channels: number;
  readonly y: WindowAxis;
  readonly x: WindowAxis;
}

/** The windows over an NHWC input. Throws a `shape` error where they do not fit it, or the padding exceeds half the kernel. */
export function windowOf(op: string, shape: Shape, attributes: WindowAttributes): Window {
  requireShape(shape.length === 4, op, `the input must be [N, H, W, C], not ${formatShape(shape)}`);
  const { kernel, stride = kernel, padding = 0, dilation = 1 } = attributes;
  const along = (axis: 0 | 1): WindowAxis => {
    const at = (pair: PerAxis): number => (typeof pair === 'number' ? pair : pair[axis]);
    const own = { kernel: at(kernel), stride: at(stride), padding: at(padding), dilation: at(dilation) };
    const reach = own.dilation * (own.kernel - 1) + 1;
    requireShape(
      [own.kernel, own.stride, own.dilation].every((value) => Number.isInteger(value) && value > 0) &&
        Number.isInteger(own.padding) &&
        own.padding >= 0 &&
        2 * own.padding <= reach,
      op,
      `kernel ${own.kernel}, stride ${own.stride}, dilation ${own.dilation} must be positive integers and padding ${own.padding} at most half the kernel`,
    );
    const input = shape[axis + 1];
    return { ...own, input, output: convolutionExtent(op, input, own.kernel, own.stride, own.padding, own.dilation) };
  };
  return { batch: shape[0], channels: shape[3], y: along(0), x: along(1) };
}

/** NHWC shape of the pooled map. */
export function pooledShape({ batch, channels, y, x }: Window): number[] {
  return [batch, y.output, x.output, channels];
}

/** Uniforms, overrides, width and grid of a pool kernel that owns the pixels of the output (forward) or squares of two by two pixels of the input (backward). */
export function windowDispatch(
  { batch, channels, y, x }: Window,
  owns: 'output' | 'input',
  vector: boolean,
  target: PlanTarget,
): Pick<Dispatch, 'uniforms' | 'overrides' | 'width' | 'workgroups'> {
  const extents = owns === 'output' ? [y.output, x.output] : [ceilDiv(y.input, 2), ceilDiv(x.input, 2)];
  const items = vector ? channels / 4 : channels;
  const { uniforms, overrides, workgroups } = walkRows([batch, ...extents], items, target);
  return {
    uniforms: {
      ...uniforms,
      channels: items,
      inHeight: y.input,
      inWidth: x.input,
      outHeight: y.output,
      outWidth: x.output,
      strideY: y.stride,
      strideX: x.stride,
      paddingY: y.padding,
      paddingX: x.padding,
      dilationY: y.dilation,
      dilationX: x.dilation,
    },
    overrides: { ...overrides, KERNEL_Y: y.kernel, KERNEL_X: x.kernel },
    width: vector ? 4 : 1,
    workgroups,
  };
}
