/** What says how one of the engine's programs is written in ONNX. */
import { GmtlError } from '../../errors.ts';
import type { Emitter } from '../emitter.ts';
import type { MergedStep, Traced } from '../merge.ts';

/** Adds the nodes of a step and defines its first output. */
export type Form = (emitter: Emitter, step: MergedStep) => void;

/** Forms by the program's name. */
export type Forms = Readonly<Record<string, Form>>;

/** A step's attributes, which must not change with the sizes of the inputs. */
export function attributesOf<A extends object>({ name, attributes, attributesThere }: MergedStep): A {
  const [here, there] = [attributes, attributesThere].map((value) => JSON.stringify(value));
  if (here !== there) {
    throw new GmtlError(
      'onnx/dynamic',
      `${name}: its attributes follow the sizes of the inputs (${here}, then ${there}), which its ONNX form cannot: export it with fixed sizes`,
    );
  }
  return attributes as A;
}

/** Writes a function of one value, in whichever layout the value is at hand. */
export function mapped(emitter: Emitter, step: MergedStep, body: (x: string) => string): void {
  const layout = emitter.prefersNchw(step.inputs[0]) ? 'nchw' : 'plain';
  emitter.define(step.outputs[0], body(emitter.in(layout, step.inputs[0])), layout);
}

export const rankOf = (value: Traced): number => value.spec.shape.length;

/** Axis of NCHW for an axis of NHWC. */
export const NCHW_AXIS: readonly number[] = [0, 2, 3, 1];
