/** Named parameters and groups of them, as optimizers take them. */
import { Tensor } from '../autograd/tensor.ts';
import { GmtlError } from '../errors.ts';
import { formatShape } from '../tensor/spec.ts';

/** A leaf tensor that requires a gradient (or a buffer such as running statistics), under the name checkpoints use. */
export interface NamedParameter {
  readonly name: string;
  readonly tensor: Tensor;
}

/** What optimizers take: named parameters, or tensors alone, which are then named by their place (`module.parameters()`). */
export type GivenParameter = NamedParameter | Tensor;

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
function namedParameter(entry: NamedParameter | Tensor, index: number): NamedParameter {
  return entry instanceof Tensor ? { name: String(index), tensor: entry } : entry;
}

function groupOf(entry: NamedParameter | Tensor | ParameterGroup): ParameterGroup {
  if (typeof entry !== 'object' || entry === null) {
    throw new GmtlError(
      'optim/parameter',
      `${String(entry)} is no parameter: give module.namedParameters() or module.parameters()`,
    );
  }
  if (entry instanceof Tensor || !('params' in entry)) return { params: [entry as NamedParameter] };
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
  for (const entry of params) {
    const group = groupOf(entry);
    const { weightDecay = defaultWeightDecay, lrScale = 1 } = group;
    requireSetting('weightDecay', weightDecay, weightDecay >= 0);
    requireSetting('lrScale', lrScale, lrScale >= 0);
    for (const parameter of group.params) {
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
      `parameter ${name} is ${String(tensor)}, not a tensor: give { name, tensor } or tensors`,
    );
  }
  requireLive(name, tensor);
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
export function requireDistinct(params: readonly NamedParameter[]): void {
  if (params.length === 0) throw new GmtlError('optim/empty', 'there are no parameters to work on');
  for (const { name, tensor } of params) requireUsable(name, tensor, params[0].tensor);
  const names = new Set<string>();
  const tensors = new Set<Tensor>();
  for (const { name, tensor } of params) {
    if (names.has(name) || tensors.has(tensor)) {
      throw new GmtlError(
        'optim/duplicate',
        `parameter ${name} ${formatShape(tensor.shape)} is given twice: it would be updated twice a step`,
      );
    }
    names.add(name);
    tensors.add(tensor);
  }
}

/** Throws `optim/setting` unless `valid`. */
export function requireSetting(name: string, value: number, valid: boolean): void {
  if (!valid || !Number.isFinite(value)) throw new GmtlError('optim/setting', `${name} cannot be ${value}`);
}

/**
 * Two groups as timm and most recipes make them: biases and one-dimensional parameters (norm scales, layer scales) are not decayed.
 * A parameter counts as a bias by its name's last part.
 */
export function noDecay(params: Iterable<NamedParameter>, weightDecay: number): ParameterGroup<NamedParameter>[] {
  const decayed: NamedParameter[] = [];
  const plain: NamedParameter[] = [];
  for (const parameter of params) {
    const isBias = parameter.name.split('.').at(-1) === 'bias';
    (isBias || parameter.tensor.shape.length <= 1 ? plain : decayed).push(parameter);
  }
  return [
    { params: decayed, weightDecay },
    { params: plain, weightDecay: 0 },
  ];
}
