/** Child process of jax-js on WebGPU: each workload is one jitted function. Its convolutions are channels first. */
import { serve } from '../../../dist/bench/peers/child.js';
import { Unsupported } from '../../../dist/bench/peers/engine.js';
import { CHECKED_PARAMETERS, EPS, STEP } from '../../../dist/bench/peers/workloads.js';
import { channelsFirstOrder, inverse, permute, permuteShape } from './layouts.mjs';
import { adapters, deviceDone, provideNavigator } from './navigator.mjs';

await provideNavigator();
const jax = await import('@jax-js/jax');
const { numpy: np, nn, lax } = jax;

/** Layer normalization over the last axis. jax-js functions consume their arguments: one that is used again is passed as `.ref`. */
function layerNorm(x, w, b) {
  const mean = np.mean(x.ref, -1, { keepdims: true });
  const centered = x.sub(mean);
  const variance = np.mean(np.square(centered.ref), -1, { keepdims: true });
  return centered.div(np.sqrt(variance.add(EPS))).mul(w).add(b);
}

/** Mean cross entropy over the rows; the labels become one-hot rows within the jitted function. */
function crossEntropy(logits, labels, classes) {
  const rows = logits.shape[0];
  return np
    .sum(nn.logSoftmax(logits, -1).mul(nn.oneHot(labels, classes)))
    .mul(-1 / rows);
}

function gelu(x) {
  return nn.gelu(x, { approximate: false });
}

/** One axis of bilinear interpolation to twice the size, half-pixel centers, as a [2 n, n] matrix. */
function interpolation(n) {
  const matrix = new Float32Array(2 * n * n);
  for (let to = 0; to < 2 * n; to++) {
    const from = Math.max(0, (to + 0.5) / 2 - 0.5);
    const low = Math.min(n - 1, Math.floor(from));
    matrix[to * n + low] += 1 - (from - low);
    matrix[to * n + Math.min(n - 1, low + 1)] += from - low;
  }
  return matrix;
}

function forwardOf(workload) {
  const { stride, padding } = workload;
  const pads = [
    [padding, padding],
    [padding, padding],
  ];
  switch (workload.kind) {
    case 'matmul':
      return ({ a, b }) => np.matmul(a, b);
    case 'conv2d':
      return ({ x, w }) => lax.convGeneralDilated(x, w, [stride, stride], pads);
    case 'depthwise':
      return ({ x, w }) => lax.convGeneralDilated(x, w, [1, 1], pads, { featureGroupCount: w.shape[0] });
    case 'layerNorm':
      return ({ x, w, b }) => layerNorm(x, w, b);
    case 'bilinear':
      // jax-js has no resize: two products with constant matrices do it. einsum in its numeric form (the string form needs a newer Node).
      return ({ x, rows }) => {
        const high = np.einsum(rows.ref, [4, 2], x, [0, 1, 2, 3], [0, 1, 4, 3]);
        return np.einsum(rows, [5, 3], high, [0, 1, 4, 3], [0, 1, 4, 5]);
      };
    case 'crossEntropy':
      return ({ x, labels }) => crossEntropy(x, labels, workload.inputs[0].shape[1]);
    case 'gelu':
      return ({ x }) => gelu(x);
    default:
      throw new Unsupported(`no ${workload.kind} here`);
  }
}

/** @param {readonly number[]} shape */
function array(data, shape) {
  return np.array(data, { shape: [...shape], ...(data instanceof Int32Array ? { dtype: np.int32 } : {}) });
}

/** Uploads the inputs in jax-js's layouts. */
function upload(workload, inputs) {
  const arrays = {};
  for (const { name, shape } of workload.inputs) {
    const data = inputs.get(name);
    const order = channelsFirstOrder(workload.kind, name);
    if (!order) arrays[name] = array(data, shape);
    else {
      const moved = permuteShape(shape, order);
      if (workload.kind === 'depthwise' && name === 'w') moved.splice(1, 0, 1);
      arrays[name] = array(permute(data, shape, order), moved);
    }
  }
  if (workload.kind === 'bilinear') {
    const n = workload.inputs[0].shape[1];
    arrays.rows = array(interpolation(n), [2 * n, n]);
  }
  return arrays;
}

/** Takes another reference to each array of a tree, because a call consumes one. */
function lend(arrays) {
  return Object.fromEntries(Object.entries(arrays).map(([name, value]) => [name, value.ref]));
}

async function prepareKernel(workload, pass, inputs) {
  const arrays = upload(workload, inputs);
  if (pass === 'forward' && arrays.dy) {
    arrays.dy.dispose();
    delete arrays.dy;
  }
  await jax.blockUntilReady(arrays);
  await deviceDone();
  const forward = forwardOf(workload);
  const names = workload.differentiable;
  const body =
    pass === 'forward'
      ? (given) => ({ y: forward(given) })
      : ({ dy, ...given }) => {
          const fixed = Object.fromEntries(Object.entries(given).filter(([name]) => !names.includes(name)));
          const [y, pullback] = jax.vjp(
            (...values) => forward({ ...fixed, ...Object.fromEntries(names.map((name, i) => [name, values[i]])) }),
            names.map((name) => given[name]),
          );
          const gradients = pullback(dy ?? np.ones([]));
          pullback.dispose?.();
          return { y, ...Object.fromEntries(names.map((name, i) => [`d${name}`, gradients[i]])) };
        };
  const compiled = jax.jit(body);
  let results = null;
  const free = () => {
    for (const value of Object.values(results ?? {})) value.dispose();
  };
  return {
    run() {
      free();
      results = compiled(lend(arrays));
    },
    wait: () => jax.blockUntilReady(results),
    async results() {
      const read = new Map();
      for (const [name, value] of Object.entries(results)) {
        const data = await value.ref.data();
        const plain = name.replace(/^d/, '');
        const order = channelsFirstOrder(workload.kind, plain);
        const shape = plain === 'y' ? workload.output : workload.inputs.find((input) => input.name === plain).shape;
        read.set(name, order ? permute(data, permuteShape(shape, order), inverse(order)) : data);
      }
      return read;
    },
    dispose() {
      free();
      for (const value of Object.values(arrays)) value.dispose();
      compiled.dispose?.();
    },
  };
}

/** The axis order of a parameter: channels first for those that jax-js convolves with, null (as in the workload) for the others. */
function parameterOrder(name) {
  if (name.endsWith('conv_dw.weight')) return [2, 0, 1];
  return name === 'stem.0.weight' ? [3, 2, 0, 1] : null;
}

/** The network's logits. Channels last for norms and products, channels first for convolutions, as in PyTorch's own ConvNeXt. */
function convnext(p, image, { depths, dims }) {
  const toLast = (x) => np.transpose(x, [0, 2, 3, 1]);
  const toFirst = (x) => np.transpose(x, [0, 3, 1, 2]);
  const norm = (x, name) => layerNorm(x, p[`${name}.weight`], p[`${name}.bias`]);
  const dense = (x, name) => np.matmul(x, np.transpose(p[`${name}.weight`])).add(p[`${name}.bias`]);
  const none = [
    [0, 0],
    [0, 0],
  ];
  const same = [
    [3, 3],
    [3, 3],
  ];
  // Channels last in and out.
  const stem = (x) => toLast(lax.convGeneralDilated(toFirst(x), p['stem.0.weight'], [4, 4], none)).add(p['stem.0.bias']);
  // A 2x2 convolution with stride 2 as a product of patches, because jax-js computes a wrong input gradient for the convolution.
  const downsample = (x, name) => {
    const [n, h, w, c] = x.shape;
    const out = p[`${name}.weight`].shape[3];
    const patches = np.transpose(x.reshape([n, h / 2, 2, w / 2, 2, c]), [0, 1, 3, 2, 4, 5]).reshape([-1, 4 * c]);
    const product = np.matmul(patches, p[`${name}.weight`].reshape([4 * c, out]));
    return product.add(p[`${name}.bias`]).reshape([n, h / 2, w / 2, out]);
  };
  let x = norm(stem(image), 'stem.1');
  dims.forEach((channels, stage) => {
    if (stage > 0) x = downsample(norm(x, `stages.${stage}.downsample.0`), `stages.${stage}.downsample.1`);
    for (let block = 0; block < depths[stage]; block++) {
      const name = `stages.${stage}.blocks.${block}`;
      const { shape } = x;
      let branch = lax.convGeneralDilated(toFirst(x.ref), p[`${name}.conv_dw.weight`], [1, 1], same, {
        featureGroupCount: channels,
      });
      branch = norm(toLast(branch).add(p[`${name}.conv_dw.bias`]), `${name}.norm`);
      // Products in rank 2, because jax-js computes wrong products of rank 4 with rank 2.
      branch = dense(gelu(dense(branch.reshape([-1, channels]), `${name}.mlp.fc1`)), `${name}.mlp.fc2`);
      x = x.add(branch.reshape(shape).mul(p[`${name}.gamma`]));
    }
  });
  return dense(norm(np.mean(x, [1, 2]), 'head.norm'), 'head.fc');
}

async function prepareStep(workload, inputs) {
  const specs = workload.inputs.filter(({ name }) => name.includes('.'));
  const names = specs.map(({ name }) => name);
  const params = {};
  const first = {};
  const second = {};
  for (const { name, shape } of specs) {
    const order = parameterOrder(name);
    const moved = order ? permuteShape(shape, order) : [...shape];
    if (name.endsWith('conv_dw.weight')) moved.splice(1, 0, 1);
    const data = inputs.get(name);
    params[name] = array(order ? permute(data, shape, order) : data, moved);
    first[name] = array(new Float32Array(data.length), moved);
    second[name] = array(new Float32Array(data.length), moved);
  }
  const image = array(inputs.get('image'), workload.inputs[0].shape);
  const labels = array(inputs.get('labels'), [STEP.batch]);
  await jax.blockUntilReady([params, first, second, image, labels]);
  await deviceDone();
  const [beta1, beta2] = STEP.betas;
  const gradient = jax.jit((p, pixels, truth) => {
    const [value, gradients] = jax.valueAndGrad((q, px, lb) => crossEntropy(convnext(q, px, STEP), lb, STEP.classes))(
      p,
      pixels,
      truth,
    );
    return { value, gradients };
  });
  // One call per parameter, compiled once per shape: with the updates inside the function above, compiling took over four minutes.
  // `corrections`: 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t).
  const update = jax.jit((parameter, g, m1, m2, corrections) => {
    const m = m1.mul(beta1).add(g.ref.mul(1 - beta1));
    const v = m2.mul(beta2).add(np.square(g).mul(1 - beta2));
    const [c1, c2] = [corrections.ref.slice(0), corrections.slice(1)];
    const change = m.ref.mul(c1).mul(STEP.lr).div(np.sqrt(v.ref).mul(c2).add(STEP.adamEps));
    return { parameter: parameter.mul(1 - STEP.lr * STEP.weightDecay).sub(change), m, v };
  });
  let count = 0;
  let loss = null;
  return {
    run() {
      loss?.dispose();
      count++;
      const corrections = np.array(Float32Array.of(1 / (1 - beta1 ** count), 1 / Math.sqrt(1 - beta2 ** count)));
      const { value, gradients } = gradient(lend(params), image.ref, labels.ref);
      loss = value;
      for (const name of names) {
        const next = update(params[name], gradients[name], first[name], second[name], corrections.ref);
        params[name] = next.parameter;
        first[name] = next.m;
        second[name] = next.v;
      }
      corrections.dispose();
    },
    // Dispatches run in order on one queue: when the loss and the last parameter are ready, everything is.
    wait: async () => {
      await jax.blockUntilReady([loss, params[names[0]], params[names.at(-1)]]);
      await deviceDone();
    },
    async results() {
      const read = new Map([['loss', await loss.ref.data()]]);
      if (count > 1) return read;
      for (const name of CHECKED_PARAMETERS) {
        const { shape } = specs.find((spec) => spec.name === name);
        const order = parameterOrder(name);
        const data = await first[name].ref.data();
        const own = order ? permute(data, permuteShape(shape, order), inverse(order)) : data;
        read.set(
          `g:${name}`,
          Array.from(own, (value) => value / (1 - beta1)),
        );
      }
      return read;
    },
  };
}

await serve(async () => {
  const devices = await jax.init('webgpu');
  if (!devices.includes('webgpu')) throw new Error('jax-js found no WebGPU');
  jax.defaultDevice('webgpu');
  const { createRequire } = await import('node:module');
  const { readFileSync } = await import('node:fs');
  const entry = createRequire(import.meta.url).resolve('@jax-js/jax');
  const { version } = JSON.parse(readFileSync(new URL('../package.json', `file://${entry}`), 'utf8'));
  return {
    info: { version, adapter: adapters[0] },
    prepare: async (workload, pass, inputs) =>
      pass === 'step' ? prepareStep(workload, inputs) : prepareKernel(workload, pass, inputs),
  };
});
