/** ONNX forms of matrix products. */
import type { Activation, MatmulAttributes } from '../../ops/matmul/attributes.ts';
import type { Emitter } from '../emitter.ts';
import type { Traced } from '../merge.ts';
import { attributesOf, type Form, type Forms, rankOf } from './form.ts';

/** Axes with the last two exchanged. */
function exchanged(value: Traced): number[] {
  const order = value.spec.shape.map((_, axis) => axis);
  const last = order.length - 1;
  return [...order.slice(0, -2), last, last - 1];
}

/** The value, transposed over its last two axes where asked for. */
function matrix(emitter: Emitter, value: Traced, transposed: boolean): string {
  return transposed ? emitter.arranged(value, exchanged(value)) : emitter.plain(value);
}

function activated(emitter: Emitter, name: string, activation: Activation): string {
  if (activation === 'none') return name;
  return activation === 'relu' ? emitter.graph.node('Relu', [name]) : emitter.gelu(name, 'none');
}

/** x · weightᵀ + bias over the last axis: Gemm for matrices, which takes the weight as PyTorch stores it. */
function linear(emitter: Emitter, x: Traced, input: string, weight: Traced, bias: Traced | undefined): string {
  const { graph } = emitter;
  const addend = bias ? [emitter.plain(bias)] : [];
  if (rankOf(x) === 2) return graph.node('Gemm', [input, emitter.plain(weight), ...addend], { transB: 1 });
  const product = graph.node('MatMul', [input, matrix(emitter, weight, true)]);
  return bias ? graph.node('Add', [product, ...addend]) : product;
}

const matmul: Form = (emitter, step) => {
  const { transposeA = false, transposeB = false, activation = 'none' } = attributesOf<MatmulAttributes>(step);
  const [a, b, bias] = step.inputs;
  const { graph } = emitter;
  const product = (): string => {
    if (!transposeA && transposeB && rankOf(b) === 2) return linear(emitter, a, emitter.plain(a), b, bias);
    const name = graph.node('MatMul', [matrix(emitter, a, transposeA), matrix(emitter, b, transposeB)]);
    return bias ? graph.node('Add', [name, emitter.plain(bias)]) : name;
  };
  emitter.define(step.outputs[0], activated(emitter, product(), activation));
};

/** residual + factor * gamma * (second(gelu(first(x)))). */
const residualMlp: Form = (emitter, { inputs, outputs }) => {
  const { graph } = emitter;
  const [residual, x, weight1, bias1, weight2, bias2, gamma, factor] = inputs;
  const hidden = emitter.gelu(linear(emitter, x, emitter.plain(x), weight1, bias1), 'none');
  let branch = graph.node('Mul', [linear(emitter, x, hidden, weight2, bias2), emitter.plain(gamma)]);
  if (factor) {
    const perSample = new Array<number>(rankOf(x) - 1).fill(1);
    branch = graph.node('Mul', [
      branch,
      graph.node('Reshape', [emitter.plain(factor), graph.int64([-1, ...perSample])]),
    ]);
  }
  emitter.define(outputs[0], graph.node('Add', [emitter.plain(residual), branch]));
};

const dot: Form = (emitter, { inputs, outputs }) => {
  const { graph } = emitter;
  const product = graph.node('Mul', [emitter.plain(inputs[0]), emitter.plain(inputs[1])]);
  emitter.define(outputs[0], graph.node('ReduceSum', [product], { keepdims: 0 }));
};

export const productForms: Forms = { matmul, residualMlp, dot };
