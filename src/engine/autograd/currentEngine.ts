/** The engine that is used where none is passed, as PyTorch has one default device. */
import { GmtlError, show } from '../errors.ts';
import { Engine } from './engine.ts';

let current: Engine | null = null;

/** The engine that new tensors and modules use where none is passed. @throws GmtlError `autograd/engine` before the first {@link setEngine}. */
export function engine(): Engine {
  if (!current) throw new GmtlError('autograd/engine', 'no engine is current: `setEngine(await createEngine())` first');
  return current;
}

/**
 * Makes `next` the engine that {@link engine} gives (null: none) and returns the previous one, for the caller to set back.
 * @throws GmtlError `autograd/engine` for what is not an engine.
 */
export function setEngine(next: Engine | null): Engine | null {
  if (next !== null && !(next instanceof Engine))
    throw new GmtlError('autograd/engine', `setEngine was given ${show(next)}; it takes an Engine or null`);
  const previous = current;
  current = next;
  return previous;
}

/**
 * Runs `body` on the current engine without building a graph, and gives its result (torch.no_grad).
 * @throws GmtlError `autograd/engine` without a current engine, `autograd/scope` where the body returns a promise.
 */
export function noGrad<T>(body: () => T): T {
  return engine().noGrad(body);
}

/**
 * Runs `body` on the current engine and frees at its end every tensor that was made in it, save those in its result and those that a graph needs.
 * @throws GmtlError `autograd/engine` without a current engine, `autograd/scope` where the body returns a promise.
 */
export function scope<T>(body: () => T): T {
  return engine().scope(body);
}
