/** What layers with weights share: how these are made, and checks of their options. */
import { engine } from '../autograd/currentEngine.ts';
import { GmtlError } from '../errors.ts';
import type { Initializer } from './init.ts';
import { type ExternalLayout, Parameter } from './parameter.ts';

/** A parameter of the current engine as `init` draws it. */
export function parameter(shape: readonly number[], init: Initializer, external?: ExternalLayout): Parameter {
  const { backend, generator } = engine();
  // Drawing a large network's weights takes seconds, and a dry run does not store them.
  return new Parameter(shape, backend.dry ? new Float32Array(0) : init(shape, generator), { external });
}

/** The options of layers with weights, beside those of their op. */
export const WEIGHTS = { bias: 'flag?', init: 'record?' } as const;

/** Throws `nn/layer` unless each count of channels falls into `groups`. */
export function requireGroups(layer: string, groups = 1, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) {
    if (count % groups !== 0)
      throw new GmtlError('nn/layer', `${layer}: ${name} ${count} do not fall into ${groups} groups`);
  }
}
