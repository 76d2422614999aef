/** The base of modules that take one tensor and give one. */
import type { Tensor } from '../autograd/tensor.ts';
import { Module } from './module.ts';

/** Base of modules that take one tensor and give one, which is what `Sequential` holds; each says which shapes. */
export abstract class Layer extends Module {
  /** The layer's result for one input. What is computed on the way belongs to the current scope. */
  abstract forward(x: Tensor): Tensor;
}
