/** ONNX forms of convolutions, pooling, resizing and batch normalization, which take images as NCHW. */
import { GmtlError } from '../../errors.ts';
import type { BatchNormAttributes } from '../../ops/batchNorm/attributes.ts';
import type { TransposedAttributes } from '../../ops/convTranspose2d/attributes.ts';
import type { AvgPoolAttributes, MaxPoolAttributes, PerAxis } from '../../ops/pool/attributes.ts';
import type { Resampling, ResizeAttributes } from '../../ops/upsample/attributes.ts';
import { nearestSource } from '../../ops/upsample/axis.ts';
import type { Emitter } from '../emitter.ts';
import { type Attribute, float } from '../graph.ts';
import type { Extent, MergedStep } from '../merge.ts';
import { attributesOf, type Form, type Forms, rankOf } from './form.ts';

const pair = (value: PerAxis): readonly [number, number] => (typeof value === 'number' ? [value, value] : value);
const around = ([y, x]: readonly [number, number]): number[] => [y, x, y, x];

/** Axes of a weight [KH, KW, in / groups, out] as PyTorch and ONNX have them. */
const OIHW = [3, 2, 0, 1];

function convolution(emitter: Emitter, step: MergedStep, type: 'Conv' | 'ConvTranspose', depthwise: boolean): void {
  const attributes = attributesOf<TransposedAttributes>(step);
  const [x, weight, bias] = step.inputs;
  const [height, width, channels] = weight.spec.shape;
  const filters = depthwise
    ? emitter.arranged(weight, [2, 0, 1], [channels, 1, height, width])
    : emitter.arranged(weight, OIHW);
  const name = emitter.graph.node(type, [emitter.nchw(x), filters, ...(bias ? [emitter.plain(bias)] : [])], {
    kernel_shape: [height, width],
    strides: attributes.stride ?? [1, 1],
    pads: around(attributes.padding ?? [0, 0]),
    dilations: attributes.dilation ?? [1, 1],
    group: depthwise ? channels : (attributes.groups ?? 1),
    ...(attributes.outputPadding && { output_padding: attributes.outputPadding }),
  });
  const activated = attributes.activation === 'relu' ? emitter.graph.node('Relu', [name]) : name;
  emitter.define(step.outputs[0], activated, 'nchw');
}

const maxPool: Form = (emitter, step) => {
  const { kernel, stride = kernel, padding = 0, dilation = 1 } = attributesOf<MaxPoolAttributes>(step);
  const name = emitter.graph.node('MaxPool', [emitter.nchw(step.inputs[0])], {
    kernel_shape: pair(kernel),
    strides: pair(stride),
    pads: around(pair(padding)),
    dilations: pair(dilation),
  });
  emitter.define(step.outputs[0], name, 'nchw');
};

const avgPool: Form = (emitter, step) => {
  const { kernel, stride = kernel, padding = 0, countIncludePad = true } = attributesOf<AvgPoolAttributes>(step);
  const name = emitter.graph.node('AveragePool', [emitter.nchw(step.inputs[0])], {
    kernel_shape: pair(kernel),
    strides: pair(stride),
    pads: around(pair(padding)),
    count_include_pad: countIncludePad ? 1 : 0,
  });
  emitter.define(step.outputs[0], name, 'nchw');
};

/** output / input where it is one number at every size; else null. */
function ratio(input: Extent, output: Extent): number | null {
  if (input === null || output === null) return null;
  if (typeof input === 'number') return typeof output === 'number' ? output / input : null;
  if (typeof output === 'number' || output.symbol !== input.symbol) return null;
  return (output.numerator * input.denominator) / (output.denominator * input.numerator);
}

/** Whether float32 holds the number and its products with extents exactly: a few binary digits. */
const isDyadic = (value: number | null): value is number => value !== null && Number.isInteger(value * 64);
/** The same of the number and its inverse. */
const isPowerOfTwo = (value: number | null): value is number => isDyadic(value) && isDyadic(1 / value);

const resize =
  (kind: Resampling): Form =>
  (emitter, step) => {
    const { graph } = emitter;
    const { alignCorners = false, scales: given } = step.attributes as ResizeAttributes;
    const [x] = step.inputs;
    const [out] = step.outputs;
    const [batch, height, width, channels] = out.extents;
    const extents = [x.extents[1], x.extents[2], height, width];
    // As the engine, an extent that stays is not resized, whatever the scale.
    const scales = [0, 1].map((k) => {
      const own = ratio(extents[k], extents[k + 2]);
      return own === 1 ? own : (given?.[k] ?? own);
    });
    const image = emitter.nchw(x);
    const define = (name: string): void => emitter.define(out, name, 'nchw');
    if (kind === 'nearest' && !scales.every(isPowerOfTwo)) {
      // The rounding of PyTorch's nearest positions, which runtimes do not share, is written out.
      if (!extents.every((extent) => typeof extent === 'number')) {
        throw new GmtlError(
          'onnx/dynamic',
          `${step.name}: of open heights and widths, only multiples by a power of two are rounded alike everywhere: export it with fixed sizes`,
        );
      }
      const [inHeight, inWidth, outHeight, outWidth] = extents;
      const positions = (from: number, to: number, scale?: number): string =>
        graph.int64(Array.from({ length: to }, (_, at) => nearestSource(at, from, to, scale)));
      const rows = graph.node('Gather', [image, positions(inHeight, outHeight, given?.[0])], { axis: 2 });
      return define(graph.node('Gather', [rows, positions(inWidth, outWidth, given?.[1])], { axis: 3 }));
    }
    const mode: Readonly<Record<string, Attribute>> =
      kind === 'nearest'
        ? { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
        : { mode: 'linear', coordinate_transformation_mode: alignCorners ? 'align_corners' : 'half_pixel' };
    const size =
      given || scales.every(isDyadic)
        ? [graph.initializer(graph.unique('scales'), 'f32', [4], Float32Array.of(1, 1, scales[0] ?? 1, scales[1] ?? 1))]
        : ['', emitter.sizes([batch, channels, height, width])];
    define(graph.node('Resize', [image, '', ...size], mode));
  };

const batchNorm: Form = (emitter, step) => {
  const { training, eps = 1e-5, activation } = attributesOf<BatchNormAttributes>(step);
  if (training) {
    throw new GmtlError('onnx/op', 'batchNorm in training mode has no ONNX form: call eval() before the export');
  }
  const { graph } = emitter;
  const [x, weight, bias, mean, variance, , residual] = step.inputs;
  const parameters = [weight, bias, mean, variance].map((value) => emitter.plain(value));
  const finish = (normalized: string, layout: 'nchw' | 'plain'): void => {
    const sum = residual ? graph.node('Add', [normalized, emitter.in(layout, residual)]) : normalized;
    emitter.define(step.outputs[0], activation === 'relu' ? graph.node('Relu', [sum]) : sum, layout);
  };
  if (rankOf(x) === 4 || rankOf(x) === 2) {
    const layout = rankOf(x) === 4 ? 'nchw' : 'plain';
    const inputs = [emitter.in(layout, x), ...parameters];
    return finish(graph.node('BatchNormalization', inputs, { epsilon: float(eps) }), layout);
  }
  const deviation = graph.node('Sqrt', [graph.node('Add', [parameters[3], graph.scalar(eps)])]);
  const centered = graph.node('Sub', [emitter.plain(x), parameters[2]]);
  const scaled = graph.node('Mul', [centered, graph.node('Div', [parameters[0], deviation])]);
  finish(graph.node('Add', [scaled, parameters[1]]), 'plain');
};

export const imageForms: Forms = {
  conv2d: (emitter, step) => convolution(emitter, step, 'Conv', false),
  depthwiseConv2d: (emitter, step) => convolution(emitter, step, 'Conv', true),
  convTranspose2d: (emitter, step) => convolution(emitter, step, 'ConvTranspose', false),
  maxPool2d: maxPool,
  avgPool2d: avgPool,
  upsampleNearest2d: resize('nearest'),
  upsampleBilinear2d: resize('bilinear'),
  batchNorm,
};
