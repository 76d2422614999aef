/** ONNX forms of reductions and of what moves elements. */
import { GmtlError } from '../../errors.ts';
import type {
  ConcatAttributes,
  FillAttributes,
  FlipAttributes,
  PadAttributes,
  PermuteAttributes,
  SliceAttributes,
} from '../../ops/movement/attributes.ts';
import type { GatherAttributes } from '../../ops/gather/attributes.ts';
import type { ReduceAttributes } from '../../ops/reduce/attributes.ts';
import { normalizeAxes, normalizeAxis } from '../../tensor/shape.ts';
import { type Emitter, TO_NCHW, TO_NHWC } from '../emitter.ts';
import { type Attribute, TYPES } from '../graph.ts';
import type { MergedStep } from '../merge.ts';
import { attributesOf, type Form, type Forms, NCHW_AXIS, rankOf } from './form.ts';

/** Reductions take their axes as an input: ReduceSum always, the others from opset 18 on. */
function reduced(emitter: Emitter, type: string, x: string, axes: readonly number[], keepdims: number): string {
  const { graph } = emitter;
  if (type === 'ReduceSum' || graph.opset >= 18) return graph.node(type, [x, graph.int64(axes)], { keepdims });
  const attributes: Record<string, Attribute> = { axes, keepdims };
  return graph.node(type, [x], attributes);
}

const reduction =
  (type: string): Form =>
  (emitter, step) => {
    const { axes: given, keepDims = false } = attributesOf<ReduceAttributes>(step);
    const [x] = step.inputs;
    const axes = normalizeAxes(step.name, given, rankOf(x));
    if (axes.length === 0) return emitter.define(step.outputs[0], emitter.plain(x));
    // Axes left behind keep their order in NCHW if they are kept, or if only batch and channels are left.
    const servesNchw = keepDims || [1, 2].every((axis) => axes.includes(axis));
    const layout = servesNchw && emitter.prefersNchw(x) ? 'nchw' : 'plain';
    const placed = layout === 'nchw' ? axes.map((axis) => NCHW_AXIS[axis]) : axes;
    const name = reduced(emitter, type, emitter.in(layout, x), placed, keepDims ? 1 : 0);
    emitter.define(step.outputs[0], name, keepDims ? layout : 'plain');
  };

const permute: Form = (emitter, step) => {
  const [x] = step.inputs;
  const [out] = step.outputs;
  const rank = rankOf(x);
  const axes = attributesOf<PermuteAttributes>(step).axes.map((axis) => normalizeAxis('permute', axis, rank));
  // Between the engine's layout and ONNX's nothing has to move.
  if (axes.join() === TO_NCHW.join()) return emitter.define(out, emitter.nchw(x));
  if (axes.join() === TO_NHWC.join()) return emitter.define(out, emitter.plain(x), 'nchw');
  emitter.define(out, emitter.graph.node('Transpose', [emitter.plain(x)], { perm: axes }));
};

const slice: Form = (emitter, step) => {
  const [x] = step.inputs;
  const { starts, ends, steps } = step.attributes as SliceAttributes;
  const there = step.attributesThere as SliceAttributes;
  const cut = x.spec.shape.flatMap((extent, axis) => {
    const whole = starts[axis] === 0 && ends[axis] >= extent && (steps?.[axis] ?? 1) === 1;
    if (whole) return [];
    if (starts[axis] !== there.starts[axis] || ends[axis] !== there.ends[axis]) {
      throw new GmtlError(
        'onnx/dynamic',
        `slice: where axis ${axis} is cut follows the sizes of the inputs: export with fixed sizes`,
      );
    }
    return [axis];
  });
  const layout = emitter.prefersNchw(x) ? 'nchw' : 'plain';
  const name = emitter.in(layout, x);
  if (cut.length === 0) return emitter.define(step.outputs[0], name, layout);
  const { graph } = emitter;
  const of = (values: readonly number[] | undefined): string => graph.int64(cut.map((axis) => values?.[axis] ?? 1));
  const axes = graph.int64(cut.map((axis) => (layout === 'nchw' ? NCHW_AXIS[axis] : axis)));
  emitter.define(step.outputs[0], graph.node('Slice', [name, of(starts), of(ends), axes, of(steps)]), layout);
};

const flip: Form = (emitter, step) => {
  const [x] = step.inputs;
  const axes = normalizeAxes('flip', attributesOf<FlipAttributes>(step).axes, rankOf(x));
  const layout = emitter.prefersNchw(x) ? 'nchw' : 'plain';
  const name = emitter.in(layout, x);
  if (axes.length === 0) return emitter.define(step.outputs[0], name, layout);
  const { graph } = emitter;
  const all = (value: number): string => graph.int64(axes.map(() => value));
  const placed = graph.int64(axes.map((axis) => (layout === 'nchw' ? NCHW_AXIS[axis] : axis)));
  // From the last element to before the first, whatever the extent.
  const inputs = [name, all(-1), all(-(2 ** 31)), placed, all(-1)];
  emitter.define(step.outputs[0], graph.node('Slice', inputs), layout);
};

const gather: Form = (emitter, step) => {
  const [x, index] = step.inputs;
  const axis = normalizeAxis('gather', attributesOf<GatherAttributes>(step).axis, rankOf(x));
  const type = rankOf(index) === 1 ? 'Gather' : 'GatherElements';
  emitter.define(step.outputs[0], emitter.graph.node(type, [emitter.plain(x), emitter.plain(index)], { axis }));
};

const pad: Form = (emitter, step) => {
  const { before, after, value = 0 } = attributesOf<PadAttributes>(step);
  const { graph } = emitter;
  const inputs = [emitter.plain(step.inputs[0]), graph.int64([...before, ...after]), graph.scalar(value)];
  emitter.define(step.outputs[0], graph.node('Pad', inputs, { mode: 'constant' }));
};

const concat: Form = (emitter, step) => {
  const { axis: given } = attributesOf<ConcatAttributes>(step);
  const { inputs, outputs } = step;
  const axis = normalizeAxis('concat', given, rankOf(inputs[0]));
  const layout = inputs.some((value) => emitter.prefersNchw(value)) ? 'nchw' : 'plain';
  const names = inputs.map((value) => emitter.in(layout, value));
  const name = emitter.graph.node('Concat', names, { axis: layout === 'nchw' ? NCHW_AXIS[axis] : axis });
  emitter.define(outputs[0], name, layout);
};

const expand: Form = (emitter, { inputs, outputs }) =>
  emitter.define(
    outputs[0],
    emitter.graph.node('Expand', [emitter.plain(inputs[0]), emitter.sizes(outputs[0].extents)]),
  );

const fill: Form = (emitter, step: MergedStep) => {
  const { graph } = emitter;
  const { value, dtype = 'f32' } = step.attributes as FillAttributes;
  const one = graph.scalar(value);
  const typed = dtype === 'f32' ? one : graph.node('Cast', [one], { to: TYPES[dtype] });
  emitter.define(step.outputs[0], graph.node('Expand', [typed, emitter.sizes(step.outputs[0].extents)]));
};

const reshape: Form = (emitter, { inputs, outputs }) =>
  emitter.define(
    outputs[0],
    emitter.graph.node('Reshape', [emitter.plain(inputs[0]), emitter.shape(outputs[0].extents)]),
  );

export const movementForms: Forms = {
  sum: reduction('ReduceSum'),
  mean: reduction('ReduceMean'),
  max: reduction('ReduceMax'),
  permute,
  slice,
  flip,
  gather,
  pad,
  concat,
  expand,
  fill,
  reshape,
};
