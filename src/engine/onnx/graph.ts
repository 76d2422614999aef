/** Collects nodes, constants, inputs and outputs of an ONNX graph and writes them as a model file. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProto_DataType as Type,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import type { DType, Shape, TypedArray } from '../tensor/spec.ts';

/** An attribute of a node: whole numbers are INT, in lists INTS; {@link float} makes a FLOAT. */
export type Attribute = number | readonly number[] | string | { readonly float: number };

/** A FLOAT attribute. */
export const float = (value: number): Attribute => ({ float: value });

/** The operator sets that are written, with the IR version that each needs. */
const OPSETS = { 17: 8, 20: 9 } as const;
export type Opset = keyof typeof OPSETS;

/** ONNX's element types. */
export const TYPES: Readonly<Record<DType, number>> = {
  f32: Type.FLOAT,
  f16: Type.FLOAT16,
  i32: Type.INT32,
  u32: Type.UINT32,
};

/** The type of ONNX's conditions, which the engine has as floats: 0 or not. */
export const CONDITION: number = Type.BOOL;

export interface ModelInfo {
  readonly opset: Opset;
  readonly graphName: string;
  readonly producer: { readonly name: string; readonly version: string };
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A graph under construction. Values are strings, each name once. */
export class OnnxGraph {
  readonly opset: Opset;
  readonly #nodes: NodeProto[] = [];
  readonly #initializers = new Map<string, TensorProto>();
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #names = new Set<string>();
  readonly #small = new Map<string, string>();

  constructor(opset: Opset) {
    this.opset = opset;
  }

  /** A name that nothing has yet: `wanted`, or with a number behind it. */
  unique(wanted: string): string {
    let name = wanted;
    for (let count = 1; this.#names.has(name); count++) name = `${wanted}_${count}`;
    this.#names.add(name);
    return name;
  }

  /** Adds a node of one output and returns the output's name. */
  node(
    type: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output = this.unique(type.toLowerCase()),
  ): string {
    this.#nodes.push(
      create(NodeProtoSchema, {
        opType: type,
        name: `${type}_${this.#nodes.length}`,
        input: [...inputs],
        output: [output],
        attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
      }),
    );
    return output;
  }

  /** A constant tensor; returns its name. */
  initializer(name: string, dtype: DType, shape: Shape, data: TypedArray): string {
    return this.#constant(name, TYPES[dtype], shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  /** A one-dimensional constant of 64-bit integers, as shapes, axes and pads are; equal ones are shared. */
  int64(values: readonly number[], scalar = false): string {
    const key = `i${scalar}${values}`;
    const known = this.#small.get(key);
    if (known !== undefined) return known;
    const data = BigInt64Array.from(values, BigInt);
    const shape = scalar ? [] : [values.length];
    const name = this.#constant(this.unique('ints'), Type.INT64, shape, new Uint8Array(data.buffer));
    this.#small.set(key, name);
    return name;
  }

  /** A float32 scalar; equal ones are shared. */
  scalar(value: number): string {
    const key = `f${value}`;
    const known = this.#small.get(key);
    if (known !== undefined) return known;
    const name = this.initializer(this.unique('scalar'), 'f32', [], Float32Array.of(value));
    this.#small.set(key, name);
    return name;
  }

  #constant(name: string, dataType: number, shape: Shape, rawData: Uint8Array): string {
    this.#names.add(name);
    // Copied: the bytes may be a view of memory that its owner writes again.
    const own = new Uint8Array(rawData);
    this.#initializers.set(name, create(TensorProtoSchema, { name, dataType, dims: shape.map(BigInt), rawData: own }));
    return name;
  }

  input(name: string, dtype: DType, shape: readonly (number | string)[]): void {
    this.#names.add(name);
    this.#inputs.push(valueInfo(name, dtype, shape));
  }

  output(name: string, dtype: DType, shape: readonly (number | string)[]): void {
    this.#outputs.push(valueInfo(name, dtype, shape));
  }

  /** The model file. */
  encode({ opset, graphName, producer, description, metadata }: ModelInfo): Uint8Array {
    const model = create(ModelProtoSchema, {
      irVersion: BigInt(OPSETS[opset]),
      opsetImport: [{ domain: '', version: BigInt(opset) }],
      producerName: producer.name,
      producerVersion: producer.version,
      docString: description,
      metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
      graph: create(GraphProtoSchema, {
        name: graphName,
        node: this.#nodes,
        initializer: [...this.#initializers.values()],
        input: this.#inputs,
        output: this.#outputs,
      }),
    });
    return toBinary(ModelProtoSchema, model);
  }
}

function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, { name, type: Kind.STRING, s: new TextEncoder().encode(value) });
  }
  if (typeof value === 'number') return create(AttributeProtoSchema, { name, type: Kind.INT, i: BigInt(value) });
  if ('float' in value) return create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: value.map(BigInt) });
}

function valueInfo(name: string, dtype: DType, shape: readonly (number | string)[]): ValueInfoProto {
  const dim = shape.map((extent) => ({
    value:
      typeof extent === 'number'
        ? { case: 'dimValue' as const, value: BigInt(extent) }
        : { case: 'dimParam' as const, value: extent },
  }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType: TYPES[dtype], shape: { dim } } } },
  });
}
