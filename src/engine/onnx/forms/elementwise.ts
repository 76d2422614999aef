/** ONNX forms of elementwise functions, arithmetic, scaling, softmax and normalization over the last axis. */
import type { LayerNormAttributes } from '../../ops/layerNorm/attributes.ts';
import type { CastAttributes } from '../../ops/movement/attributes.ts';
import type { UnaryAttributes } from '../../ops/unary/attributes.ts';
import type { Emitter, Layout } from '../emitter.ts';
import { CONDITION, TYPES } from '../graph.ts';
import type { MergedStep, Traced } from '../merge.ts';
import { attributesOf, type Form, type Forms, mapped, rankOf } from './form.ts';

/** A function that ONNX has under a name of its own. */
const named =
  (type: string): Form =>
  (emitter, step) =>
    mapped(emitter, step, (x) => emitter.graph.node(type, [x]));

const gelu =
  (approximate: 'none' | 'tanh'): Form =>
  (emitter, step) =>
    mapped(emitter, step, (x) => emitter.gelu(x, approximate));

/** An operand as it broadcasts against images in `layout`. */
function operand(emitter: Emitter, value: Traced, layout: Layout): string {
  if (layout === 'plain' || rankOf(value) === 0) return emitter.plain(value);
  if (rankOf(value) === 4) return emitter.nchw(value);
  const [channels] = value.spec.shape;
  return emitter.arranged(value, [0], [channels, 1, 1]);
}

/** NCHW where an image is at hand in it alone and the other operand can follow: an image, channels or a scalar. */
function sharedLayout(emitter: Emitter, inputs: readonly Traced[]): Layout {
  const follows = inputs.every((value) => rankOf(value) === 4 || rankOf(value) < 2);
  return follows && inputs.some((value) => rankOf(value) === 4 && emitter.prefersNchw(value)) ? 'nchw' : 'plain';
}

const binary =
  (type: string): Form =>
  (emitter, { inputs, outputs }) => {
    const layout = sharedLayout(emitter, inputs);
    const [a, b] = inputs.map((value) => operand(emitter, value, layout));
    emitter.define(outputs[0], emitter.graph.node(type, [a, b]), layout);
  };

/** 1 where it holds, else 0, as floats. */
const comparison =
  (type: string): Form =>
  (emitter, { inputs, outputs }) => {
    const { graph } = emitter;
    const layout = sharedLayout(emitter, inputs);
    const [a, b] = inputs.map((value) => operand(emitter, value, layout));
    emitter.define(outputs[0], graph.node('Cast', [graph.node(type, [a, b])], { to: TYPES.f32 }), layout);
  };

/** (condition, a, b), all of one shape. */
const where: Form = (emitter, { inputs, outputs }) => {
  const { graph } = emitter;
  const layout = sharedLayout(emitter, inputs);
  const [condition, a, b] = inputs.map((value) => operand(emitter, value, layout));
  const picks = graph.node('Cast', [condition], { to: CONDITION });
  emitter.define(outputs[0], graph.node('Where', [picks, a, b]), layout);
};

/** (residual?, x, gamma, factor?) → residual + factor * gamma * x. */
const scaled =
  (hasResidual: boolean): Form =>
  (emitter, { inputs, outputs }) => {
    const { graph } = emitter;
    const [x, gamma, factor] = hasResidual ? inputs.slice(1) : inputs;
    const layout = sharedLayout(emitter, [x, gamma]);
    let result = graph.node('Mul', [emitter.in(layout, x), operand(emitter, gamma, layout)]);
    if (factor) {
      const perSample = new Array<number>(rankOf(x) - 1).fill(1);
      const column = graph.node('Reshape', [emitter.plain(factor), graph.int64([-1, ...perSample])]);
      result = graph.node('Mul', [result, column]);
    }
    if (hasResidual) result = graph.node('Add', [emitter.in(layout, inputs[0]), result]);
    emitter.define(outputs[0], result, layout);
  };

const softmax =
  (type: string): Form =>
  (emitter, { inputs, outputs }) =>
    emitter.define(outputs[0], emitter.graph.node(type, [emitter.plain(inputs[0])], { axis: -1 }));

const cast: Form = (emitter, step) => {
  const { dtype } = attributesOf<CastAttributes>(step);
  mapped(emitter, step, (x) => emitter.graph.node('Cast', [x], { to: TYPES[dtype] }));
};

function affine(emitter: Emitter, step: MergedStep): void {
  const { scale = 1, shift = 0 } = attributesOf<UnaryAttributes>(step);
  mapped(emitter, step, (x) => emitter.affine(x, scale, shift));
}

const layerNorm: Form = (emitter, step) => {
  const { eps } = attributesOf<LayerNormAttributes>(step);
  const inputs = step.inputs.map((value) => emitter.plain(value));
  emitter.define(step.outputs[0], emitter.layerNorm(inputs, eps));
};

export const elementwiseForms: Forms = {
  gelu: gelu('none'),
  geluTanh: gelu('tanh'),
  relu: named('Relu'),
  sigmoid: named('Sigmoid'),
  tanh: named('Tanh'),
  exp: named('Exp'),
  log: named('Log'),
  sqrt: named('Sqrt'),
  abs: named('Abs'),
  softplus: named('Softplus'),
  silu: (emitter, step) =>
    mapped(emitter, step, (x) => emitter.graph.node('Mul', [x, emitter.graph.node('Sigmoid', [x])])),
  square: (emitter, step) => mapped(emitter, step, (x) => emitter.graph.node('Mul', [x, x])),
  affine,
  pow: (emitter, step) => {
    const { scale = 1 } = attributesOf<UnaryAttributes>(step);
    mapped(emitter, step, (x) => emitter.graph.node('Pow', [x, emitter.graph.scalar(scale)]));
  },
  add: binary('Add'),
  sub: binary('Sub'),
  mul: binary('Mul'),
  div: binary('Div'),
  equal: comparison('Equal'),
  less: comparison('Less'),
  lessEqual: comparison('LessOrEqual'),
  where,
  layerScale: scaled(false),
  scaleResidual: scaled(true),
  softmax: softmax('Softmax'),
  logSoftmax: softmax('LogSoftmax'),
  cast,
  layerNorm,
};
