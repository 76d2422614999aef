/** Reads the initializers of an ONNX model: its weights, under the names that the graph gives them. */
import { fromBinary } from '@bufbuild/protobuf';
import {
  type ModelProto,
  ModelProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType as Type,
  type TensorProto,
} from 'onnx-buf';
import { GmtlError } from '../errors.ts';
import type { StoredTensor, StoredTensors } from '../io/safetensors.ts';
import { checkAttributes } from '../arguments.ts';
import { bfloat16ToNumber, float16ToNumber } from '../tensor/float16.ts';
import { sizeOf } from '../tensor/spec.ts';

const WIDTHS: Readonly<Record<number, number | undefined>> = {
  [Type.FLOAT]: 4,
  [Type.DOUBLE]: 8,
  [Type.FLOAT16]: 2,
  [Type.BFLOAT16]: 2,
  [Type.INT64]: 8,
};

/**
 * Floats of any width become float32; int64 stays; initializers of other types are left out, as shapes and masks are.
 * @throws GmtlError `onnx/refused` for a damaged file, one whose weights lie in other files, and one without weights.
 */
export function readOnnxWeights(bytes: Uint8Array, fileName: string): StoredTensors {
  checkAttributes('readOnnxWeights', { bytes: 'bytes', fileName: 'text' }, { bytes, fileName });
  const refused = (why: string, cause?: unknown): GmtlError =>
    new GmtlError('onnx/refused', `${fileName}: not an ONNX model that gmtl reads: ${why}.`, { cause });
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw refused('it is damaged, cut short or of another kind', cause);
  }
  const tensors = new Map<string, StoredTensor>();
  for (const tensor of model.graph?.initializer ?? []) {
    if (WIDTHS[tensor.dataType] === undefined) continue;
    if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) {
      throw refused(`the elements of ${tensor.name} lie in another file; save it as one`);
    }
    const shape = tensor.dims.map(Number);
    const data = elementsOf(tensor, sizeOf(shape));
    if (data === null) throw refused(`${tensor.name} of shape [${shape.slice(0, 8)}] has not as many elements`);
    tensors.set(
      tensor.name,
      data instanceof BigInt64Array ? { dtype: 'I64', shape, data } : { dtype: 'F32', shape, data },
    );
  }
  if (tensors.size === 0) throw refused('it holds no weights');
  return tensors;
}

function elementsOf(tensor: TensorProto, count: number): Float32Array | BigInt64Array | null {
  const { dataType, rawData, floatData, doubleData, int64Data, int32Data } = tensor;
  const width = WIDTHS[dataType] ?? 0;
  if (rawData.length === 0) {
    const listed =
      { [Type.FLOAT]: floatData, [Type.DOUBLE]: doubleData, [Type.INT64]: int64Data }[dataType as number] ?? int32Data;
    if (listed.length !== count) return null;
    if (dataType === Type.INT64) return BigInt64Array.from(int64Data);
    const decode = dataType === Type.FLOAT16 ? float16ToNumber : dataType === Type.BFLOAT16 ? bfloat16ToNumber : Number;
    return Float32Array.from(listed as readonly number[], decode);
  }
  if (rawData.length !== count * width) return null;
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  if (dataType === Type.INT64) return BigInt64Array.from({ length: count }, (_, at) => view.getBigInt64(8 * at, true));
  const read: Readonly<Record<number, (at: number) => number>> = {
    [Type.FLOAT]: (at) => view.getFloat32(at, true),
    [Type.DOUBLE]: (at) => view.getFloat64(at, true),
    [Type.FLOAT16]: (at) => float16ToNumber(view.getUint16(at, true)),
    [Type.BFLOAT16]: (at) => bfloat16ToNumber(view.getUint16(at, true)),
  };
  return Float32Array.from({ length: count }, (_, at) => read[dataType](at * width));
}
