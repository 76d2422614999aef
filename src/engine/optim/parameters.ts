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

/**
 * Flattens parameters and groups. Throws `optim/empty` where there are none, `optim/duplicate` where a name or a tensor comes
 * twice, `optim/setting` for a negative setting.
 */
export function resolveParameters(
  params: Iterable<GivenParameter | ParameterGroup>,
  defaultWeightDecay: number,
): ResolvedParameter[] {
  const resolved: ResolvedParameter[] = [];
  const named = (given: GivenParameter): NamedParameter =>
    given instanceof Tensor ? { name: `parameter ${resolved.length}`, tensor: given } : given;
  for (const entry of params) {
    const group: ParameterGroup = 'params' in entry ? entry : { params: [entry] };
    const { weightDecay = defaultWeightDecay, lrScale = 1 } = group;
    requireSetting('weightDecay', weightDecay, weightDecay >= 0);
    requireSetting('lrScale', lrScale, lrScale >= 0);
    for (const given of group.params) resolved.push({ ...named(given), weightDecay, lrScale });
  }
  requireDistinct(resolved);
  return resolved;
}

/** Throws unless there is at least one parameter and each name and tensor comes once. */
export function requireDistinct(params: readonly NamedParameter[]): void {
  if (params.length === 0) throw new GmtlError('optim/empty', 'there are no parameters to work on');
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
