/** Named parameters and groups of them, as optimizers take them. */
import { Tensor } from '../autograd/tensor.ts';
import { GmtlError, show } from '../errors.ts';
import type { Storage } from '../ops/value.ts';
import { formatShape } from '../tensor/spec.ts';

/** A leaf tensor that requires a gradient (or a buffer such as running statistics), under the name checkpoints use. */
export interface NamedParameter {
  readonly name: string;
  readonly tensor: Tensor;
}

/**
 * What optimizers, clipping and averages take: `module.namedParameters()`, named parameters, or tensors alone, which are then named by their
 * place (`module.parameters()`).
 */
export type GivenParameter = NamedParameter | readonly [name: string, tensor: Tensor] | Tensor;

/** Parameters with settings of their own. */
export interface ParameterGroup<Given extends GivenParameter = GivenParameter> {
  readonly params: Iterable<Given>;
  /** Replaces the optimizer's weight decay. */
  readonly weightDecay?: number;
  /** Multiplies the learning rate. Default 1. */
  readonly lrScale?: number;
}

/** One parameter with its group's settings resolved. */
export interface ResolvedParameter extends NamedParameter {
  readonly weightDecay: number;
  readonly lrScale: number;
}

/** A parameter without a name is called by its place, as in PyTorch's state dicts. */
function namedParameter(entry: GivenParameter, index: number): NamedParameter {
  if (entry instanceof Tensor) return { name: String(index), tensor: entry };
  if (!isPair(entry)) return entry;
  const [name, tensor] = entry;
  return { name, tensor };
}

const isPair = (entry: unknown): entry is readonly [string, Tensor] => Array.isArray(entry) && entry.length === 2;

/** Parameters with their names. Throws `optim/empty` for none and `optim/duplicate`, `optim/parameter` as {@link resolveParameters}. */
export function nameParameters(given: Iterable<GivenParameter>): NamedParameter[] {
  const named = [...requireIterable(given)].map(namedParameter);
  requireDistinct(named);
  return named;
}

/** Throws `optim/parameter` for what holds no parameters: a module itself, most often. */
function requireIterable<T>(given: Iterable<T>): Iterable<T> {
  if (typeof given?.[Symbol.iterator] === 'function' && typeof given !== 'string') return given;
  throw new GmtlError(
    'optim/parameter',
    `the parameters are ${show(given)}: give module.parameters() or module.namedParameters()`,
  );
}

function groupOf(entry: GivenParameter | ParameterGroup): ParameterGroup {
  if (typeof entry !== 'object' || entry === null) {
    throw new GmtlError(
      'optim/parameter',
      `${show(entry)} is not a parameter: give module.parameters() or module.namedParameters()`,
    );
  }
  if (entry instanceof Tensor || !('params' in entry)) return { params: [entry] };
  const unknown = Object.keys(entry).find((key) => !['params', 'weightDecay', 'lrScale'].includes(key));
  if (unknown) {
    throw new GmtlError(
      'optim/setting',
      `a parameter group has no setting ${unknown}; it has params, weightDecay and lrScale`,
    );
  }
  return entry;
}

/**
 * Flattens parameters and groups. Throws `optim/empty` where there are none, `optim/duplicate` where a name or a tensor comes
 * twice, `optim/setting` for a negative setting.
 */
export function resolveParameters(
  params: Iterable<GivenParameter | ParameterGroup>,
  defaultWeightDecay: number,
): ResolvedParameter[] {
  const resolved: ResolvedParameter[] = [];
  for (const entry of requireIterable(params)) {
    const group = groupOf(entry);
    const { weightDecay = defaultWeightDecay, lrScale = 1 } = group;
    requireSetting('weightDecay', weightDecay, weightDecay >= 0);
    requireSetting('lrScale', lrScale, lrScale >= 0);
    for (const parameter of requireIterable(group.params)) {
      const { name, tensor } = namedParameter(parameter, resolved.length);
      resolved.push({ name, tensor, weightDecay, lrScale });
    }
  }
  requireDistinct(resolved);
  return resolved;
}

/** Throws unless `tensor` can be worked on together with `first`. */
function requireUsable(name: string, tensor: Tensor, first: Tensor): void {
  if (!(tensor instanceof Tensor)) {
    throw new GmtlError(
      'optim/parameter',
      `parameter ${name} is ${show(tensor)}, not a tensor: give module.parameters() or module.namedParameters()`,
    );
  }
  requireLive(name, tensor);
  if (tensor.node) {
    throw new GmtlError(
      'optim/parameter',
      `parameter ${name} is the result of an op; only leaves are optimized: detach() it, or give what it was made of`,
    );
  }
  if (tensor.engine !== first.engine) {
    throw new GmtlError(
      'autograd/engine',
      `parameter ${name} belongs to another engine than the first one: make an optimizer (or guard) of its own for each engine`,
    );
  }
  if (tensor.dtype !== 'f32') {
    throw new GmtlError('tensor/dtype', `parameter ${name} is ${tensor.dtype}; parameters are f32`);
  }
}

/** Throws `tensor/freed` where a parameter or its gradient was freed, or the gradient is another engine's. */
export function requireLive(name: string, tensor: Tensor): void {
  if (tensor.disposed || tensor.grad?.disposed) {
    const what = tensor.disposed ? 'parameter' : 'the gradient of parameter';
    throw new GmtlError(
      'tensor/freed',
      `${what} ${name} of shape ${formatShape(tensor.shape)} was freed: keep it (keep(), or outside of any scope), or make a new optimizer without it`,
    );
  }
  if (tensor.grad && tensor.grad.engine !== tensor.engine) {
    throw new GmtlError('autograd/engine', `the gradient of parameter ${name} belongs to another engine`);
  }
}

/** Throws unless there is at least one parameter and each name and tensor comes once. */
function requireDistinct(params: readonly NamedParameter[]): void {
  if (params.length === 0) throw new GmtlError('optim/empty', 'there are no parameters to work on');
  for (const { name, tensor } of params) requireUsable(name, tensor, params[0].tensor);
  const names = new Set<string>();
  const memory = new Set<Storage>();
  for (const { name, tensor } of params) {
    // Two tensors over one memory are one parameter.
    if (names.has(name) || memory.has(tensor.value.storage)) {
      throw new GmtlError(
        'optim/duplicate',
        `parameter ${name} ${formatShape(tensor.shape)} is given twice: it would be updated twice per step`,
      );
    }
    names.add(name);
    memory.add(tensor.value.storage);
  }
}

/** Throws `optim/setting` unless `valid`. */
export function requireSetting(name: string, value: number, valid: boolean): void {
  if (!valid || !Number.isFinite(value)) throw new GmtlError('optim/setting', `${name} cannot be ${show(value)}`);
}

/**
 * Two groups as timm and most recipes make them: biases and one-dimensional parameters (norm scales, layer scales) are not decayed.
 * A parameter counts as a bias by its name's last part.
 */
export function noDecay(params: Iterable<GivenParameter>, weightDecay: number): ParameterGroup<NamedParameter>[] {
  const decayed: NamedParameter[] = [];
  const plain: NamedParameter[] = [];
  for (const parameter of nameParameters(params)) {
    const isBias = parameter.name.split('.').at(-1) === 'bias';
    (isBias || parameter.tensor.shape.length <= 1 ? plain : decayed).push(parameter);
  }
  return [
    { params: decayed, weightDecay },
    { params: plain, weightDecay: 0 },
  ];
}
