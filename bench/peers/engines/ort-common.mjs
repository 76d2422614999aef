/** ONNX Runtime on any of its backends; it runs forward passes only. */
import { Unsupported } from '../../../dist/bench/peers/engine.js';
import { channelsFirstOrder, inverse, permute, permuteShape } from './layouts.mjs';
import { oneHot, onnxModel, onnxShape } from './onnx.mjs';

/** Inputs of a workload's model as { data, shape } by name. */
function feedsOf(workload, inputs) {
  const feeds = {};
  for (const { name, shape, fill } of workload.inputs) {
    if (name === 'dy') continue;
    const data = inputs.get(name);
    if (fill.kind === 'labels') {
      feeds[name] = { data: oneHot(data, fill.below), shape: [...workload.inputs[0].shape] };
    } else {
      const order = channelsFirstOrder(workload.kind, name);
      feeds[name] = { data: order ? permute(data, shape, order) : data, shape: onnxShape(workload, name) };
    }
  }
  return feeds;
}

/**
 * @param {Record<string, string>} info
 * @param {{
 *   session(model: Uint8Array): Promise<import('onnxruntime-common').InferenceSession>,
 *   upload(feed: {data: Float32Array, shape: number[]}): Promise<import('onnxruntime-common').Tensor>,
 *   wait(): Promise<void>,
 * }} backend
 */
export function ortEngine(info, backend) {
  return {
    info,
    async prepare(workload, pass, inputs) {
      const model = onnxModel(workload);
      if (pass !== 'forward' || !model) throw new Unsupported('ONNX Runtime for JavaScript has no gradients');
      const session = await backend.session(model);
      const feeds = {};
      for (const [name, feed] of Object.entries(feedsOf(workload, inputs))) feeds[name] = await backend.upload(feed);
      await backend.wait();
      let results = null;
      return {
        async run() {
          results?.y.dispose();
          results = await session.run(feeds);
        },
        wait: () => backend.wait(),
        async results() {
          const data = await results.y.getData();
          const order = channelsFirstOrder(workload.kind, 'y');
          return new Map([['y', order ? permute(data, permuteShape(workload.output, order), inverse(order)) : data]]);
        },
        dispose() {
          results?.y.dispose();
          for (const feed of Object.values(feeds)) feed.dispose();
          session.release();
        },
      };
    },
  };
}
