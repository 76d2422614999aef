/** The workloads' forward passes as ONNX models: float32, opset 20, channels first. */
import onnxProto from 'onnx-proto';
import { EPS } from '../../../dist/bench/peers/workloads.js';
import { channelsFirstOrder, permuteShape } from './layouts.mjs';

const { onnx } = onnxProto;
const FLOAT = onnx.TensorProto.DataType.FLOAT;
const INT64 = onnx.TensorProto.DataType.INT64;

function value(name, shape, elemType = FLOAT) {
  return { name, type: { tensorType: { elemType, shape: { dim: shape.map((extent) => ({ dimValue: extent })) } } } };
}

function floats(name, shape, data) {
  const rawData = new Uint8Array(Float32Array.from(data).buffer);
  return { name, dataType: FLOAT, dims: shape, rawData };
}

function int64s(name, data) {
  return { name, dataType: INT64, dims: [data.length], rawData: new Uint8Array(BigInt64Array.from(data, BigInt).buffer) };
}

const { AttributeType } = onnx.AttributeProto;
const ints = (name, list) => ({ name, type: AttributeType.INTS, ints: list });
const int = (name, i) => ({ name, type: AttributeType.INT, i });
const float = (name, f) => ({ name, type: AttributeType.FLOAT, f });
const text = (name, s) => ({ name, type: AttributeType.STRING, s: new TextEncoder().encode(s) });

/** Shape of the tensor `name` here: depthwise filters have an extent of 1 after their channels. */
export function onnxShape(workload, name) {
  const shape = name === 'y' ? workload.output : workload.inputs.find((input) => input.name === name).shape;
  const order = channelsFirstOrder(workload.kind, name);
  if (!order) return [...shape];
  const moved = permuteShape(shape, order);
  if (workload.kind === 'depthwise' && name === 'w') moved.splice(1, 0, 1);
  return moved;
}

/** Nodes of a workload and the constants they need; null where ONNX Runtime cannot do it. */
function nodesOf(workload) {
  const { kind, stride, padding } = workload;
  const node = (opType, input, attribute = [], output = ['y']) => ({ opType, input, output, attribute });
  switch (kind) {
    case 'matmul':
      return { nodes: [node('MatMul', ['a', 'b'])] };
    case 'conv2d':
    case 'depthwise': {
      const [, , kh, kw] = onnxShape(workload, 'w');
      const group = kind === 'depthwise' ? onnxShape(workload, 'w')[0] : 1;
      const attributes = [
        ints('kernel_shape', [kh, kw]),
        ints('strides', [stride, stride]),
        ints('pads', [padding, padding, padding, padding]),
        int('group', group),
      ];
      return { nodes: [node('Conv', ['x', 'w'], attributes)] };
    }
    case 'layerNorm':
      return { nodes: [node('LayerNormalization', ['x', 'w', 'b'], [int('axis', -1), float('epsilon', EPS)])] };
    case 'bilinear':
      return {
        nodes: [
          node('Resize', ['x', '', 'scales'], [
            text('mode', 'linear'),
            text('coordinate_transformation_mode', 'half_pixel'),
          ]),
        ],
        constants: [floats('scales', [4], [1, 1, 2, 2])],
      };
    case 'crossEntropy':
      // ONNX Runtime has no SoftmaxCrossEntropyLoss on WebGPU; the labels come as one-hot rows.
      return {
        nodes: [
          node('LogSoftmax', ['x'], [int('axis', -1)], ['logProbabilities']),
          node('Mul', ['logProbabilities', 'labels'], [], ['picked']),
          node('ReduceSum', ['picked', 'last'], [int('keepdims', 0)], ['rows']),
          node('ReduceMean', ['rows'], [int('keepdims', 0)], ['mean']),
          node('Neg', ['mean']),
        ],
        constants: [int64s('last', [1])],
      };
    case 'gelu':
      return { nodes: [node('Gelu', ['x'], [text('approximate', 'none')])] };
    default:
      return null;
  }
}

/** The serialized model; null where there is none. */
export function onnxModel(workload) {
  const parts = nodesOf(workload);
  if (!parts) return null;
  const names = workload.inputs.map(({ name }) => name).filter((name) => name !== 'dy');
  const shapeOf = (name) => (name === 'labels' ? workload.inputs[0].shape : onnxShape(workload, name));
  const model = onnx.ModelProto.create({
    irVersion: 9,
    opsetImport: [{ domain: '', version: 20 }],
    producerName: 'gmtl bench',
    graph: {
      name: workload.key,
      node: parts.nodes.map((one) => onnx.NodeProto.create(one)),
      initializer: parts.constants ?? [],
      input: names.map((name) => value(name, shapeOf(name))),
      output: [value('y', onnxShape(workload, 'y'))],
    },
  });
  return onnx.ModelProto.encode(model).finish();
}

/** Labels as rows of zeros with a one. */
export function oneHot(labels, classes) {
  const rows = new Float32Array(labels.length * classes);
  labels.forEach((label, row) => {
    rows[row * classes + label] = 1;
  });
  return rows;
}
