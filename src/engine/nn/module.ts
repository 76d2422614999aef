/** The base of networks: named parameters and buffers, training and evaluation, state dicts. */
import { Parameter } from './parameter.ts';
import { Tensor } from '../autograd/tensor.ts';
import { GmtlError, show } from '../errors.ts';
import { checkAttributes } from '../arguments.ts';
import { formatShape, sizeOf } from '../tensor/spec.ts';

/** A tensor as files hold it: PyTorch's shape and element order. */
export interface ExternalTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A tensor that `loadStateDict` takes: of any type, as files hold them; integers (counters) become floats. */
export interface LoadableTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array | BigInt64Array | BigUint64Array;
}

/** What `loadStateDict` did with each name. */
export interface LoadReport {
  readonly matched: readonly string[];
  /** Parameters of the module that the file does not hold (but for counters that it may lack). */
  readonly missing: readonly string[];
  /** Names in the file that the module does not have. */
  readonly unexpected: readonly string[];
  readonly mismatched: readonly {
    readonly name: string;
    readonly expected: readonly number[];
    readonly found: readonly number[];
  }[];
}

function floatsOf(data: LoadableTensor['data']): Float32Array {
  if (data instanceof Float32Array) return data;
  const isWide = data instanceof BigInt64Array || data instanceof BigUint64Array;
  return isWide ? Float32Array.from(data, Number) : Float32Array.from(data);
}

/**
 * Base of everything with parameters. Sub-modules and parameters are found as properties and in arrays that are properties (not in maps, objects or
 * nested arrays, nor in private fields), in the order of their assignment, and named by them, so properties bear the names that timm, torchvision or segmentation_models_pytorch give them
 * (`conv_dw`, `stages.0.blocks.1`). Modules compose ops; none has kernels of its own.
 */
export abstract class Module {
  /** Whether dropout, drop path and batch statistics are active. Set by `train` and `eval`. */
  training = true;

  #children(): [string, Module | Parameter][] {
    const found: [string, Module | Parameter][] = [];
    for (const [name, value] of Object.entries(this)) {
      if (value instanceof Module || value instanceof Parameter) found.push([name, value]);
      else if (Array.isArray(value)) {
        value.forEach((item: unknown, index) => {
          if (item instanceof Module || item instanceof Parameter) found.push([`${name}.${index}`, item]);
        });
      }
    }
    return found;
  }

  /** Every parameter and buffer with its dotted name, `prefix` in front of it, in the order in which properties were assigned: what a state dict holds. */
  *namedTensors(prefix = ''): Generator<[string, Parameter]> {
    for (const [name, child] of this.#tree([])) if (child instanceof Parameter) yield [prefix + name, child];
  }

  /** All below this module with their dotted names, each before those that it holds. Throws `nn/layer` where a module holds one `above` it. */
  *#tree(above: readonly Module[]): Generator<[string, Module | Parameter]> {
    const path = [...above, this];
    for (const [name, child] of this.#children()) {
      yield [name, child];
      if (child instanceof Parameter) continue;
      if (path.includes(child)) {
        const [inner, outer] = [this, child].map((module) => module.constructor.name);
        throw new GmtlError(
          'nn/layer',
          `${inner}.${name} is the ${outer} that holds this ${inner}: keep it in a private field (#${name}), which is no part of the module`,
        );
      }
      for (const [below, held] of child.#tree(path)) yield [`${name}.${below}`, held];
    }
  }

  /**
   * The trainable parameters (buffers, such as running means, left out) with their dotted names, `prefix` in front of them. One that stands in
   * several places (tied weights, a layer used twice) comes once, by its first name; a state dict has it under each.
   */
  *namedParameters(prefix = ''): Generator<[string, Parameter]> {
    const seen = new Set<Parameter>();
    for (const entry of this.namedTensors(prefix)) {
      const [, parameter] = entry;
      if (parameter.isBuffer || seen.has(parameter)) continue;
      seen.add(parameter);
      yield entry;
    }
  }

  /** The trainable parameters, as optimizers take them; their names are in {@link namedParameters}. */
  parameters(): Parameter[] {
    return [...this.namedParameters()].map(([, parameter]) => parameter);
  }

  /** Number of trainable elements, over all parameters; buffers are not counted. */
  parameterCount(): number {
    return this.parameters().reduce((count, parameter) => count + parameter.size, 0);
  }

  /** This module and all modules below it, each before those that it holds. */
  *modules(): Generator<Module> {
    yield this;
    for (const [, child] of this.#tree([])) if (child instanceof Module) yield child;
  }

  /** Sets `training` here and below: dropout and batch statistics are active, or with false not. */
  train(mode = true): this {
    for (const module of this.modules()) module.training = mode;
    return this;
  }

  /** Ends training here and below, as `train(false)`: no dropout, no drop path, statistics as they were learned. Gives the module itself. */
  eval(): this {
    return this.train(false);
  }

  /** Frees the gradients of all parameters and sets them to null, as PyTorch's set_to_none. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
  }

  /**
   * Reads all parameters and buffers back, as float32 in PyTorch's layouts under the module's names: what `writeSafetensors` and {@link loadStateDict}
   * take. Waits for the device.
   */
  async stateDict(prefix = ''): Promise<Map<string, ExternalTensor>> {
    const entries = [...this.namedTensors(prefix)];
    const data = await Promise.all(entries.map(([, parameter]) => parameter.data()));
    return new Map(
      entries.map(([name, parameter], index) => [name, parameter.toExternal(data[index] as Float32Array)]),
    );
  }

  /**
   * Writes tensors in PyTorch's layouts into the module. With `strict` (the default) anything missing, unexpected or of another
   * shape is an error that lists it, and nothing is written; without it such names are left out and reported.
   * @throws GmtlError `nn/state-dict`.
   */
  loadStateDict(tensors: ReadonlyMap<string, LoadableTensor>, options: { strict?: boolean } = {}): LoadReport {
    if (!(tensors instanceof Map)) {
      const what =
        "a Map of { shape, data } by name, such as the tensors of readSafetensors or another module's stateDict()";
      throw new GmtlError('nn/state-dict', `loadStateDict was given ${show(tensors)}; it takes ${what}`);
    }
    checkAttributes('loadStateDict', { strict: 'flag?' }, options);
    const own = new Map(this.namedTensors());
    const matched: string[] = [];
    const missing: string[] = [];
    const mismatched: LoadReport['mismatched'][number][] = [];
    for (const [name, parameter] of own) {
      const tensor = tensors.get(name);
      if (!tensor) {
        if (!parameter.optional) missing.push(name);
      } else if (
        !Array.isArray(tensor.shape) ||
        !ArrayBuffer.isView(tensor.data) ||
        tensor.data.length !== sizeOf(tensor.shape)
      ) {
        throw new GmtlError(
          'nn/state-dict',
          `loadStateDict: ${name} is ${show(tensor)}, not { shape, data } with as many numbers as the shape says`,
        );
      } else if (tensor.shape.join() !== parameter.externalShape.join()) {
        mismatched.push({ name, expected: parameter.externalShape, found: tensor.shape });
      } else matched.push(name);
    }
    const unexpected = [...tensors.keys()].filter((name) => !own.has(name));
    if ((options.strict ?? true) && missing.length + unexpected.length + mismatched.length > 0) {
      const list = (title: string, names: readonly string[]): string =>
        names.length > 0
          ? `\n  ${title} (${names.length}): ${names.slice(0, 6).join(', ')}${names.length > 6 ? ', …' : ''}`
          : '';
      const shapes = mismatched.map(
        ({ name, expected, found }) => `${name} is ${formatShape(found)}, not ${formatShape(expected)}`,
      );
      throw new GmtlError(
        'nn/state-dict',
        `the weights do not fit this model:${list('missing', missing)}${list('unknown', unexpected)}${list('of another shape', shapes)}`,
      );
    }
    for (const name of matched) {
      const parameter = own.get(name);
      const tensor = tensors.get(name);
      if (parameter && tensor) parameter.write(parameter.fromExternal(floatsOf(tensor.data)));
    }
    return { matched, missing, unexpected, mismatched };
  }

  /** Frees all parameters and buffers here and below. A forward pass then throws `tensor/freed`. */
  dispose(): void {
    for (const [, parameter] of this.namedTensors()) parameter.dispose();
  }
}

/**
 * Runs `body` in a scope of its own: intermediate tensors are released at its end (the graph keeps what backward needs), so that
 * a deep network's forward pass holds no more than it must.
 */
export function block<T>(input: Tensor, body: () => T): T {
  checkAttributes('block', { input: Tensor, body: 'call' }, { input, body });
  return input.engine.scope(body);
}
