/** Moves arrays between layouts, on the host and outside the timed part. */

/**
 * Axis k of the result is axis `order[k]` of `data`.
 *
 * @template {Float32Array | Int32Array} T
 * @param {T} data
 * @param {readonly number[]} shape of `data`
 * @param {readonly number[]} order
 * @returns {T}
 */
export function permute(data, shape, order) {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const extents = order.map((axis) => shape[axis]);
  const steps = order.map((axis) => strides[axis]);
  const result = /** @type {T} */ (new data.constructor(data.length));
  const index = extents.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = data[from];
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      from += steps[axis];
      if (++index[axis] < extents[axis]) break;
      from -= steps[axis] * extents[axis];
      index[axis] = 0;
    }
  }
  return result;
}

/** The permutations of axes that take a workload's tensors to an engine whose images are channels first. */
export const CHANNELS_FIRST = {
  /** NHWC to NCHW. */
  image: [0, 3, 1, 2],
  /** HWIO to OIHW. */
  weight: [3, 2, 0, 1],
  /** HWC to CHW; the engines expect an extent of 1 after C. */
  depthwiseWeight: [2, 0, 1],
};

/** @param {readonly number[]} order */
export function inverse(order) {
  return order.map((_, axis) => order.indexOf(axis));
}

/**
 * The order in which an engine with channels first holds the tensor `name` of a workload; null where it is the same.
 *
 * @param {import('../workloads.ts').WorkloadKind} kind
 * @param {string} name `x`, `w`, `dy`, `y`
 */
export function channelsFirstOrder(kind, name) {
  if (kind !== 'conv2d' && kind !== 'depthwise' && kind !== 'bilinear') return null;
  if (name !== 'w') return CHANNELS_FIRST.image;
  return kind === 'depthwise' ? CHANNELS_FIRST.depthwiseWeight : CHANNELS_FIRST.weight;
}

/** The permuted shape: the extents of `shape` in `order`. */
export function permuteShape(shape, order) {
  return order.map((axis) => shape[axis]);
}
