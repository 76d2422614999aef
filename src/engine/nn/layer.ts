/** The base of modules that take one tensor and give one. */
import type { Tensor } from '../autograd/tensor.ts';
import { Module } from './module.ts';

/** A module of one input and one output. */
export abstract class Layer extends Module {
  /** The layer's result for one input. What is computed on the way belongs to the current scope. */
  abstract forward(x: Tensor): Tensor;
}
