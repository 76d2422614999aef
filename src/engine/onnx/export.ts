/** Writes a module's forward pass, and its weights, as an ONNX model. */
import { engine as currentEngine } from '../autograd/currentEngine.ts';
import type { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { GmtlError, show } from '../errors.ts';
import { Module } from '../nn/module.ts';
import type { Parameter } from '../nn/parameter.ts';
import { checkAttributes } from '../arguments.ts';
import type { Storage } from '../ops/value.ts';
import type { DType } from '../tensor/spec.ts';
import { type Constant, Emitter } from './emitter.ts';
import { elementwiseForms } from './forms/elementwise.ts';
import type { Forms } from './forms/form.ts';
import { imageForms } from './forms/images.ts';
import { movementForms } from './forms/movement.ts';
import { productForms } from './forms/products.ts';
import { OnnxGraph, type Opset } from './graph.ts';
import { type Extent, type MergedTrace, mergeTraces } from './merge.ts';
import { elementsOf, type ForwardResult, sampleShape, type Samples, type Trace, trace } from './trace.ts';

/** How each of the engine's programs is written in ONNX. Those that are missing here serve training alone. */
export const ONNX_FORMS: Forms = { ...elementwiseForms, ...productForms, ...imageForms, ...movementForms };

/** An input of the model. */
export interface OnnxInput {
  readonly name: string;
  /** Extents; a name stands for an axis whose size is open. */
  readonly shape: readonly (number | string)[];
  /** Default f32. */
  readonly dtype?: Exclude<DType, 'f16'>;
}

/** Options of {@link exportOnnx}. */
export interface OnnxOptions {
  readonly inputs: readonly OnnxInput[];
  /**
   * Two different sizes of every open axis at which the forward pass can run: it is traced at both, and what differs follows the axis. Ratios
   * of the two must differ from axis to axis ({batch: [2, 3], height: [64, 160]}). 1 makes a poor size: extents of 1 broadcast.
   */
  readonly sizes?: Samples;
  /** Default: the module's own `forward`. Runs in evaluation mode. */
  readonly forward?: (...inputs: Tensor[]) => ForwardResult;
  /** Name of the output where the forward pass returns one tensor. Default 'output'. */
  readonly output?: string;
  /** Default 17, the first with LayerNormalization; 20 has GELU as one node. */
  readonly opset?: Opset;
  /** Pairs for `metadata_props`. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly description?: string;
  readonly producerVersion?: string;
}

interface Forwards {
  forward?(...inputs: Tensor[]): ForwardResult;
}

const OPTIONS = {
  inputs: 'records',
  sizes: 'record?',
  forward: 'call?',
  output: 'text?',
  opset: 'integer?',
  metadata: 'record?',
  description: 'text?',
  producerVersion: 'text?',
} as const;

/** What an input, and the sizes of an open axis, may be. */
const INPUT = { name: 'text', shape: 'list', dtype: ['f32', 'i32', 'u32'] } as const;

/** @throws GmtlError `ops/attribute` for options that are none, or a forward pass without inputs. */
function checkOptions(module: Module, options: OnnxOptions): void {
  checkAttributes('exportOnnx', { module: Module, options: 'record' }, { module, options });
  checkAttributes('exportOnnx', OPTIONS, options);
  for (const input of options.inputs) checkAttributes('an input of exportOnnx', INPUT, input);
  for (const [axis, sizes] of Object.entries(options.sizes ?? {})) {
    checkAttributes(`the sizes of axis "${axis}"`, { first: 'extent', second: 'extent' }, firstTwo(axis, sizes));
  }
  for (const [key, value] of Object.entries(options.metadata ?? {}))
    checkAttributes('the metadata of exportOnnx', { [key]: 'text' }, { [key]: value });
}

function firstTwo(axis: string, sizes: unknown): { readonly first: number; readonly second: number } {
  if (Array.isArray(sizes) && sizes.length === 2) return { first: sizes[0], second: sizes[1] };
  throw new GmtlError('ops/attribute', `exportOnnx: the sizes of axis "${axis}" are ${show(sizes)}; give two numbers`);
}

/**
 * Traces the forward pass, without running it, and writes what it would run as an ONNX model. Parameters are initializers under their own
 * names in PyTorch's layouts. Values keep the shapes that the forward pass gives them; images are NHWC in the engine, and a `permute` to or
 * from NCHW at the model's border costs nothing.
 *
 * @returns the bytes of a .onnx file.
 * @throws GmtlError `onnx/op` naming every op that has no ONNX form; `onnx/dynamic` where the forward pass depends on an open size in a way
 * that a graph cannot follow; `onnx/float16` for modules that store float16; `onnx/forward` for one that reads results back.
 */
export async function exportOnnx(module: Module, options: OnnxOptions): Promise<Uint8Array> {
  checkOptions(module, options);
  const named = [...module.namedTensors()];
  const engine = named[0]?.[1].engine ?? currentEngine();
  const { output = 'output', sizes = {}, opset = 17 } = options;
  const own = (module as Forwards).forward?.bind(module);
  const forward = options.forward ?? own;
  if (!forward) throw new GmtlError('onnx/forward', 'the module has no forward pass: give one');
  requireDistinct(sizes);

  const run = (index: 0 | 1): Trace => {
    const specs = options.inputs.map(({ shape, dtype = 'f32' }) => ({
      shape: sampleShape(shape, sizes, index),
      dtype,
    }));
    const wasTraining = module.training;
    module.eval();
    try {
      return trace(engine, specs, forward, output);
    } finally {
      module.train(wasTraining);
    }
  };
  const first = run(0);
  const merged = mergeTraces(first, Object.keys(sizes).length > 0 ? run(1) : first, sizes);
  requireForms(merged);

  const graph = new OnnxGraph(opset);
  for (const { name } of options.inputs) graph.unique(name);
  for (const name of merged.outputs.keys()) graph.unique(name);
  const emitter = new Emitter(graph, await readConstants(engine, merged, first, named));
  for (const [index, { name, shape, dtype = 'f32' }] of options.inputs.entries()) {
    graph.input(name, dtype, shape);
    emitter.define(merged.inputs[index], name);
    shape.forEach((extent, axis) => {
      if (typeof extent === 'string') emitter.symbol(extent, name, axis);
    });
  }
  for (const step of merged.steps) ONNX_FORMS[step.name](emitter, step);
  for (const [name, value] of merged.outputs) {
    graph.node('Identity', [emitter.plain(value)], {}, name);
    graph.output(
      name,
      value.spec.dtype,
      value.extents.map((extent, axis) => extentName(extent, `${name}_${axis}`)),
    );
  }
  return graph.encode({
    opset,
    graphName: 'gmtl',
    producer: { name: 'gmtl', version: options.producerVersion ?? '' },
    description: options.description ?? '',
    metadata: options.metadata ?? {},
  });
}

function requireDistinct(sizes: Samples): void {
  const ratios = new Map<number, string>();
  for (const [symbol, [first, second]] of Object.entries(sizes)) {
    const earlier = ratios.get(first / second);
    if (first === second || earlier !== undefined) {
      const why =
        first === second ? 'its two sizes are equal' : `its two sizes have the same ratio as those of "${earlier}"`;
      throw new GmtlError('onnx/dynamic', `axis "${symbol}": ${why}, which leaves open what follows it`);
    }
    ratios.set(first / second, symbol);
  }
}

function requireForms({ steps, inputs, outputs }: MergedTrace): void {
  const lacking = [...new Set(steps.map(({ name }) => name).filter((name) => !Object.hasOwn(ONNX_FORMS, name)))];
  if (lacking.length > 0) {
    throw new GmtlError(
      'onnx/op',
      `no ONNX form: ${lacking.join(', ')}. The forward pass runs what serves training alone; leave it out of what is exported.`,
    );
  }
  const values = [...inputs, ...outputs.values(), ...steps.flatMap((step) => [...step.inputs, step.outputs[0]])];
  if (values.some((value) => value?.spec.dtype === 'f16')) {
    throw new GmtlError('onnx/float16', 'the forward pass stores float16: export it in float32');
  }
}

async function readConstants(
  engine: Engine,
  merged: MergedTrace,
  { uploads }: Trace,
  named: readonly (readonly [string, Parameter])[],
): Promise<Map<number, Constant>> {
  const parameters = new Map<Storage, readonly [string, Parameter]>(
    named.map((entry) => [entry[1].value.storage, entry]),
  );
  const constants = new Map<number, Constant>();
  for (const [id, value] of merged.constants) {
    const [name, parameter] = parameters.get(value.storage) ?? [null, null];
    const data = await elementsOf(engine, parameter?.value ?? value, uploads);
    const shape = parameter?.shape ?? value.spec.shape;
    const external = parameter && { shape: parameter.externalShape, order: parameter.externalOrder };
    constants.set(id, { name, shape, data, external });
  }
  return constants;
}

/** An extent as a model's shapes show it. */
function extentName(extent: Extent, unknown: string): number | string {
  if (typeof extent === 'number') return extent;
  if (extent === null) return unknown;
  const { symbol, numerator, denominator } = extent;
  return `${numerator === 1 ? '' : `${numerator}*`}${symbol}${denominator === 1 ? '' : `/${denominator}`}`;
}
