/** Layers made of others: one after another, or of a function. */
import type { Tensor } from '../autograd/tensor.ts';
import { GmtlError, show } from '../errors.ts';
import { Layer } from './layer.ts';

/**
 * Layers one after another, named by their index as torch.nn.Sequential's: `net['0']` is the first, its weight `0.weight` in files.
 * @throws GmtlError `nn/layer` for what is not a {@link Layer}: a function goes into a {@link Lambda}.
 */
export class Sequential extends Layer {
  readonly #layers: readonly Layer[];

  constructor(...layers: Layer[]) {
    super();
    const wrong = layers.find((layer) => !(layer instanceof Layer));
    if (wrong !== undefined)
      throw new GmtlError(
        'nn/layer',
        `Sequential: ${show(wrong)} is not a layer; it takes layers one by one: new Sequential(a, b)`,
      );
    this.#layers = layers;
    layers.forEach((layer, index) => {
      Object.defineProperty(this, String(index), { value: layer, enumerable: true });
    });
  }

  override forward(x: Tensor): Tensor {
    return this.#layers.reduce((value, layer) => layer.forward(value), x);
  }
}

/** A layer without parameters, made from a function: a placeholder that keeps Sequential's numbering equal to PyTorch's. */
export class Lambda extends Layer {
  readonly #function: (x: Tensor) => Tensor;

  constructor(body: (x: Tensor) => Tensor) {
    super();
    if (typeof body !== 'function')
      throw new GmtlError('nn/layer', `Lambda: ${show(body)} is not a function of a tensor`);
    this.#function = body;
  }

  override forward(x: Tensor): Tensor {
    return this.#function(x);
  }
}
