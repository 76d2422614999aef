/** Finds the state dict within what a checkpoint holds. */
import { GmtlError } from '../errors.ts';
import { sizeOf } from '../tensor/spec.ts';
import { TorchTensor } from './torchTensor.ts';

/** Names under which checkpoints keep the state dict of a network, those of averages first, as timm prefers them. */
const PREFERRED = [
  /(^|_)ema(_|$)/i,
  /^(model|net|network)_?state(_?dict)?$|^state_dict$/i,
  /^(model|net|network|weights|params)$/i,
];
/** Checkpoints nest a few levels deep. */
const MOST_DEPTH = 8;

interface Candidate {
  readonly keys: readonly string[];
  readonly entries: readonly (readonly [string, TorchTensor])[];
}

/**
 * Dicts of tensors by name anywhere in `root`; of several, averages before raw weights before others, then the largest.
 * @throws GmtlError `torch/no-weights`.
 */
export function findStateDict(
  root: unknown,
  fileName: string,
): { readonly path: string; readonly entries: Candidate['entries'] } {
  const candidates: Candidate[] = [];
  const seen = new Set<unknown>();
  const look = (value: unknown, keys: readonly string[]): void => {
    if (!(value instanceof Map) || seen.has(value) || keys.length > MOST_DEPTH) return;
    seen.add(value);
    const entries = [...value].filter(
      (entry): entry is [string, TorchTensor] => typeof entry[0] === 'string' && entry[1] instanceof TorchTensor,
    );
    if (entries.length > 0 && !keys.some((key) => /optim|sched|scaler/i.test(key))) candidates.push({ keys, entries });
    for (const [key, inner] of value) {
      // Other keys are not names, and a tuple of tuples as text can be endless.
      if (typeof key === 'string' || typeof key === 'number') look(inner, [...keys, String(key)]);
    }
  };
  look(root, []);
  const rank = ({ keys }: Candidate): number => {
    const found = PREFERRED.findIndex((pattern) => keys.some((key) => pattern.test(key)));
    return found < 0 ? PREFERRED.length : found;
  };
  const size = ({ entries }: Candidate): number => entries.reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
  const ranked = candidates.map((candidate) => ({ ...candidate, rank: rank(candidate), size: size(candidate) }));
  const [best] = ranked.sort((a, b) => a.rank - b.rank || b.size - a.size);
  if (!best) {
    throw new GmtlError(
      'torch/no-weights',
      `${fileName}: holds no state dict (tensors by name). Save one: torch.save(model.state_dict(), "weights.pth").`,
    );
  }
  return { path: best.keys.join('.'), entries: best.entries };
}
