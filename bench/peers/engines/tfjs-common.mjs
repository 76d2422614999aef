/** TensorFlow.js on any of its backends: the workloads in its own ops. Bundled by run.ts (plain Node modules register no gradients). */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { Unsupported } from '../../../dist/bench/peers/engine.js';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';

export { tf };

const EPS = 1e-6;

/** @param {tf.Tensor} x */
function gelu(x) {
  return tf.tidy(() => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)));
}

/** tfjs has no layer normalization in its core: computed from moments, as its layers package does. */
function layerNorm(x, w, b) {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, EPS))), w), b);
}

/** tfjs's softmaxCrossEntropy, whose reduction over the rows is the mean when all weights are equal. */
function crossEntropy(logits, oneHot) {
  return tf.losses.softmaxCrossEntropy(oneHot, logits);
}

/** @param {import('../workloads.ts').Workload} workload */
function forwardOf(workload) {
  const { stride, padding, output } = workload;
  switch (workload.kind) {
    case 'matmul':
      return ({ a, b }) => tf.matMul(a, b);
    case 'conv2d':
      return ({ x, w }) => tf.conv2d(x, w, stride, padding === 0 ? 'valid' : padding);
    case 'depthwise':
      return ({ x, w }) => tf.depthwiseConv2d(x, w, 1, padding);
    case 'layerNorm':
      return ({ x, w, b }) => layerNorm(x, w, b);
    case 'bilinear':
      return ({ x }) => tf.image.resizeBilinear(x, [output[1], output[2]], false, true);
    case 'crossEntropy':
      return ({ x, labels }) => crossEntropy(x, labels);
    case 'gelu':
      return ({ x }) => gelu(x);
  }
}

/** Runs `body`; a kernel that the backend lacks is reported as unsupported, not as a failure. */
function supported(body) {
  try {
    return body();
  } catch (error) {
    if (/not registered for (the )?backend/.test(error.message)) throw new Unsupported(error.message);
    throw error;
  }
}

/** Inputs as tensors; labels as one-hot rows, which its loss expects; a depthwise filter has a multiplier as its last axis. */
function upload(workload, inputs) {
  const tensors = {};
  for (const { name, shape, fill } of workload.inputs) {
    const data = inputs.get(name);
    if (fill.kind === 'labels') {
      tensors[name] = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(data, 'int32'), fill.below), 'float32'));
    } else {
      tensors[name] = tf.tensor(data, workload.kind === 'depthwise' && name === 'w' ? [...shape, 1] : shape);
    }
  }
  return tensors;
}

function prepareKernel(workload, pass, inputs, wait) {
  const tensors = upload(workload, inputs);
  const forward = forwardOf(workload);
  const names = workload.differentiable;
  const run =
    pass === 'forward'
      ? () => ({ y: tf.tidy(() => forward(tensors)) })
      : () =>
          tf.tidy(() => {
            let y;
            const grads = tf.grads((...values) => {
              const given = Object.fromEntries(names.map((name, index) => [name, values[index]]));
              y = tf.keep(forward({ ...tensors, ...given }));
              return y;
            });
            const gradients = grads(
              names.map((name) => tensors[name]),
              tensors.dy,
            );
            return { y, ...Object.fromEntries(names.map((name, index) => [`d${name}`, gradients[index]])) };
          });
  let results = {};
  return {
    run() {
      tf.dispose(results);
      results = supported(run);
    },
    wait: () => wait(results.y),
    async results() {
      const read = new Map();
      for (const [name, tensor] of Object.entries(results)) read.set(name, await tensor.data());
      return read;
    },
    dispose() {
      tf.dispose(results);
      tf.dispose(tensors);
    },
  };
}

/** The network's logits; `p` are the parameters by name, in the workload's layouts but with matrices as [in, out]. */
function convnext(p, image, { depths, dims }) {
  const norm = (x, name) => layerNorm(x, p[`${name}.weight`], p[`${name}.bias`]);
  const dense = (x, name) => tf.add(tf.matMul(x, p[`${name}.weight`], false, true), p[`${name}.bias`]);
  const conv = (x, name, stride) => tf.add(tf.conv2d(x, p[`${name}.weight`], stride, 'valid'), p[`${name}.bias`]);
  let x = norm(conv(image, 'stem.0', 4), 'stem.1');
  dims.forEach((channels, stage) => {
    if (stage > 0) x = conv(norm(x, `stages.${stage}.downsample.0`), `stages.${stage}.downsample.1`, 2);
    for (let block = 0; block < depths[stage]; block++) {
      const name = `stages.${stage}.blocks.${block}`;
      const { shape } = x;
      let branch = tf.add(tf.depthwiseConv2d(x, p[`${name}.conv_dw.weight`], 1, 3), p[`${name}.conv_dw.bias`]);
      branch = tf.reshape(norm(branch, `${name}.norm`), [-1, channels]);
      branch = dense(gelu(dense(branch, `${name}.mlp.fc1`)), `${name}.mlp.fc2`);
      x = tf.add(x, tf.mul(tf.reshape(branch, shape), p[`${name}.gamma`]));
    }
  });
  return dense(norm(tf.mean(x, [1, 2]), 'head.norm'), 'head.fc');
}

function prepareStep(workload, inputs, step, checked, wait) {
  const labels = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(inputs.get('labels'), 'int32'), step.classes), 'float32'));
  const specs = workload.inputs.filter(({ name }) => name.includes('.'));
  const image = tf.tensor(inputs.get('image'), workload.inputs[0].shape);
  const names = specs.map(({ name }) => name);
  const fitted = (name, shape) => (name.endsWith('conv_dw.weight') ? [...shape, 1] : shape);
  const variables = specs.map(({ name, shape }) => tf.variable(tf.tensor(inputs.get(name), fitted(name, shape))));
  const first = variables.map((variable) => tf.variable(tf.zerosLike(variable)));
  const second = variables.map((variable) => tf.variable(tf.zerosLike(variable)));
  const [beta1, beta2] = step.betas;
  let count = 0;
  let loss = null;
  const forward = (...values) => {
    const p = Object.fromEntries(names.map((name, index) => [name, values[index]]));
    return crossEntropy(convnext(p, image, step), labels);
  };
  return {
    run() {
      loss?.dispose();
      count++;
      const correction1 = 1 / (1 - beta1 ** count);
      const correction2 = 1 / Math.sqrt(1 - beta2 ** count);
      loss = supported(() => tf.tidy(() => {
        const { value, grads } = tf.valueAndGrads(forward)(variables);
        variables.forEach((variable, index) => {
          const [m, v, g] = [first[index], second[index], grads[index]];
          m.assign(tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1)));
          v.assign(tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2)));
          const denominator = tf.add(tf.mul(tf.sqrt(v), correction2), step.adamEps);
          const update = tf.div(tf.mul(m, step.lr * correction1), denominator);
          variable.assign(tf.sub(tf.mul(variable, 1 - step.lr * step.weightDecay), update));
        });
        return value;
      }));
    },
    wait: () => wait(loss),
    async results() {
      const read = new Map([['loss', await loss.data()]]);
      if (count > 1) return read;
      for (const name of checked) {
        const moment = await first[names.indexOf(name)].data();
        read.set(
          `g:${name}`,
          Array.from(moment, (value) => value / (1 - beta1)),
        );
      }
      return read;
    },
    dispose() {
      tf.dispose([loss, labels, image, ...variables, ...first, ...second]);
    },
  };
}

/**
 * @param {Record<string, string>} info
 * @param {(output: tf.Tensor) => Promise<void>} wait
 * @param {{STEP: object, CHECKED_PARAMETERS: readonly string[]}} model what the training step is
 */
export function tfjsEngine(info, wait, { STEP, CHECKED_PARAMETERS }) {
  return {
    info,
    prepare: async (workload, pass, inputs) =>
      pass === 'step'
        ? prepareStep(workload, inputs, STEP, CHECKED_PARAMETERS, wait)
        : prepareKernel(workload, pass, inputs, wait),
  };
}
