/** Reads the initializers of an ONNX model: its weights, under the names that the graph gives them. */
import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { TensorProtoSchema, TensorProto_DataLocation, TensorProto_DataType as Type, type TensorProto } from 'onnx-buf';
import { GmtlError } from '../errors.ts';
import type { StoredTensor, StoredTensors } from '../io/safetensors.ts';
import { oneLine } from '../printable.ts';
import { checkAttributes } from '../arguments.ts';
import { bfloat16ToNumber, float16ToNumber } from '../tensor/float16.ts';
import { sizeOf } from '../tensor/spec.ts';

/** Dimensions that a tensor can have; no operator takes more. */
const MOST_DIMENSIONS = 64;

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
  const damaged = (cause: unknown): GmtlError => refused('it is damaged, cut short or of another kind', cause);
  const tensors = new Map<string, StoredTensor>();
  for (const packed of initializers(bytes, damaged)) {
    let tensor: TensorProto;
    try {
      tensor = fromBinary(TensorProtoSchema, packed);
    } catch (cause) {
      throw damaged(cause);
    }
    if (WIDTHS[tensor.dataType] === undefined) continue;
    const shown = oneLine(tensor.name);
    if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) {
      throw refused(`the elements of ${shown} lie in another file; save it as one`);
    }
    const shape = tensor.dims.map(Number);
    if (shape.length > MOST_DIMENSIONS || !shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0))
      throw refused(`${shown} has no shape`);
    const data = elementsOf(tensor, sizeOf(shape));
    if (data === null) throw refused(`${shown} of shape [${shape.slice(0, 8)}] has not as many elements`);
    tensors.set(
      tensor.name,
      data instanceof BigInt64Array ? { dtype: 'I64', shape, data } : { dtype: 'F32', shape, data },
    );
  }
  if (tensors.size === 0) throw refused('it holds no weights');
  return tensors;
}

/** Fields by their numbers in onnx.proto. */
const GRAPH_OF_MODEL = 7;
const INITIALIZER_OF_GRAPH = 5;
const LENGTH_DELIMITED = 2;

/**
 * The initializers of the model's graph, one after the other. The rest is passed over unread: nodes within graphs within nodes would
 * make objects of many times the file's size, and nest without end.
 */
function* initializers(bytes: Uint8Array, damaged: (cause: unknown) => GmtlError): Generator<Uint8Array> {
  for (const graph of fieldsOf(bytes, GRAPH_OF_MODEL, damaged)) yield* fieldsOf(graph, INITIALIZER_OF_GRAPH, damaged);
}

/** The messages of one field of a message. */
function* fieldsOf(bytes: Uint8Array, field: number, damaged: (cause: unknown) => GmtlError): Generator<Uint8Array> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    let found: Uint8Array | null = null;
    try {
      const [number, wire] = reader.tag();
      if (number === field && wire === LENGTH_DELIMITED) found = reader.bytes();
      else reader.skip(wire, number);
      if (reader.pos > reader.len) throw new RangeError('a field ends outside');
    } catch (cause) {
      throw damaged(cause);
    }
    if (found) yield found;
  }
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
