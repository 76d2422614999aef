import type { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { GmtlError } from '../errors.ts';
import { formatShape } from '../tensor/spec.ts';
import { type GradientGate, stateTensor } from './gradientGate.ts';
import {
  type NamedParameter,
  type ParameterGroup,
  type ResolvedParameter,
  requireSetting,
  resolveParameters,
} from './parameters.ts';

/** Everything an optimiser needs to go on. Tensors are in the engine's layout, named `<parameter>.<moment>`. */
export interface OptimizerState {
  /** Steps done. */
  readonly step: number;
  readonly tensors: Map<string, Float32Array>;
}

/** Reads tensors one after the other. */
export async function readTensors(tensors: Iterable<readonly [string, Tensor]>): Promise<Map<string, Float32Array>> {
  const result = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) result.set(name, Float32Array.from(await tensor.data()));
  return result;
}

/** Overwrites `tensors` from `state`: same names, same element counts, else `optim/state` is thrown before anything is written. */
export function writeTensors(
  what: string,
  tensors: ReadonlyMap<string, Tensor>,
  state: ReadonlyMap<string, Float32Array>,
): void {
  const unknown = [...state.keys()].find((name) => !tensors.has(name));
  if (unknown !== undefined) {
    throw new GmtlError(
      'optim/state',
      `${what}: the state holds '${unknown}', which this model has not; it is of another model`,
    );
  }
  for (const [name, tensor] of tensors) {
    const data = state.get(name);
    if (!data)
      throw new GmtlError('optim/state', `${what}: the state lacks '${name}'; it is of another model or optimiser`);
    if (data.length !== tensor.size) {
      throw new GmtlError(
        'optim/state',
        `${what}: '${name}' has ${data.length} numbers in the state, ${formatShape(tensor.shape)} here`,
      );
    }
  }
  for (const [name, tensor] of tensors) tensor.write(state.get(name) as Float32Array);
}

/**
 * What AdamW and SGD share. A step has two halves, so that it can be captured once and replayed: `advance` (host: counts, writes
 * what varies to a small buffer) and `update` (device: one dispatch a parameter). `step` does both.
 *
 * A step that the gate suppresses still counts: the host does not know of it. AdamW's bias corrections then run a step ahead,
 * which after the first few steps changes nothing.
 */
export abstract class Optimizer {
  protected readonly engine: Engine;
  protected readonly params: readonly ResolvedParameter[];
  /** What varies from step to step, shape [4]. */
  protected readonly hyper: Tensor;
  /** Parameter name → moment name → tensor of the parameter's shape. */
  readonly #moments = new Map<string, Map<string, Tensor>>();
  readonly #openGate: Tensor;
  #lr = 0;
  #stepCount = 0;

  protected constructor(
    params: Iterable<NamedParameter | ParameterGroup>,
    settings: { readonly lr: number; readonly weightDecay: number },
    moments: readonly string[],
  ) {
    this.lr = settings.lr;
    this.params = resolveParameters(params, settings.weightDecay);
    const { engine } = this.params[0].tensor;
    this.engine = engine;
    this.hyper = stateTensor(engine, [4], new Float32Array(4), 'optimiser hyper-parameters');
    this.#openGate = stateTensor(engine, [4], new Float32Array([1, 0, 0, 0]), 'open gate');
    for (const { name, tensor } of this.params) {
      const make = (moment: string) =>
        stateTensor(engine, tensor.shape, new Float32Array(tensor.size), `${name}.${moment}`);
      this.#moments.set(name, new Map(moments.map((moment) => [moment, make(moment)])));
    }
  }

  /** Base learning rate of the next steps; a schedule sets it before each. */
  get lr(): number {
    return this.#lr;
  }

  set lr(lr: number) {
    requireSetting('lr', lr, lr >= 0);
    this.#lr = lr;
  }

  /** Steps done, suppressed ones among them. */
  get stepCount(): number {
    return this.#stepCount;
  }

  /** The four numbers of step `step` (1 for the first). */
  protected abstract hyperValues(step: number): readonly [number, number, number, number];

  /** Records the update of one parameter. */
  protected abstract updateParameter(parameter: ResolvedParameter, grad: Tensor, gate: Tensor): void;

  protected moment(parameter: NamedParameter, name: string): Tensor {
    const tensor = this.#moments.get(parameter.name)?.get(name);
    if (!tensor) throw new GmtlError('optim/state', `no moment ${name} of ${parameter.name}`);
    return tensor;
  }

  /** The host's half of a step: counts it and writes learning rate and bias corrections. Not inside a capture. */
  advance(): void {
    this.#stepCount++;
    this.hyper.write(Float64Array.from(this.hyperValues(this.#stepCount)));
  }

  /** The device's half of a step. Parameters without a gradient are passed over. */
  update(gate?: GradientGate): void {
    for (const parameter of this.params) {
      const { grad } = parameter.tensor;
      if (grad) this.updateParameter(parameter, grad, gate?.tensor ?? this.#openGate);
    }
  }

  /** One step with the gradients of now, scaled or suppressed by `gate` (whose `measure` was called) where given. */
  step(gate?: GradientGate): void {
    this.advance();
    this.update(gate);
  }

  /** Frees the gradients, as PyTorch's set_to_none. */
  zeroGrad(): void {
    for (const { tensor } of this.params) {
      tensor.grad?.dispose();
      tensor.grad = null;
    }
  }

  #named(): Map<string, Tensor> {
    return new Map(
      [...this.#moments].flatMap(([name, moments]) =>
        [...moments].map(([moment, tensor]) => [`${name}.${moment}`, tensor] as const),
      ),
    );
  }

  /** Waits for the device and reads all moments. */
  async stateDict(): Promise<OptimizerState> {
    const step = this.#stepCount;
    return { step, tensors: await readTensors(this.#named()) };
  }

  /** Goes on from `state`. Throws `optim/state` where names or sizes differ; nothing is written then. */
  loadStateDict(state: OptimizerState): void {
    if (!Number.isInteger(state.step) || state.step < 0) {
      throw new GmtlError('optim/state', `an optimiser cannot have done ${state.step} steps`);
    }
    writeTensors(this.constructor.name, this.#named(), state.tensors);
    this.#stepCount = state.step;
  }

  /** Frees the moments; the parameters stay. */
  dispose(): void {
    for (const tensor of this.#named().values()) tensor.dispose();
    this.hyper.dispose();
    this.#openGate.dispose();
  }
}
