/** Applies ops for the functions of `functional`. */
import { Tensor } from '../autograd/tensor.ts';
import { GmtlError, show } from '../errors.ts';
import type { Op } from '../ops/definition.ts';
import { declaredInput } from '../ops/signature.ts';

/** Applies an op on its first input's engine; optional inputs may be null. The engine checks all else. */
export function applyAll<A extends object>(
  op: Op<A>,
  inputs: readonly (Tensor | null | undefined)[],
  attributes: A,
): Tensor[] {
  const [first] = inputs;
  if (!(first instanceof Tensor)) {
    const { name } = declaredInput(op.forward.signature.inputs, 0);
    throw new GmtlError('ops/inputs', `${op.name}: input ${name} is ${show(first)}, not a tensor`);
  }
  const given = inputs.filter((tensor): tensor is Tensor => tensor != null);
  return first.engine.applyAll(op, given, attributes);
}

/** As `applyAll`, of which the first output is given and the others are freed. */
export function apply<A extends object>(
  op: Op<A>,
  inputs: readonly (Tensor | null | undefined)[],
  attributes: A,
): Tensor {
  const [first, ...rest] = applyAll(op, inputs, attributes);
  for (const tensor of rest) tensor.dispose();
  return first;
}
