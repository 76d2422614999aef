/** Fills the inputs of an op's cases with seeded numbers. */
import { Generator } from '../tensor/random.ts';
import { isFloat, sizeOf } from '../tensor/spec.ts';
import type { CaseInput } from './definition.ts';

function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  return state >>> 0;
}

/** The numbers of a case's input, exact in its type (float32 for floats) and the same on every run: seeded by `name`. */
export function fillInput(input: CaseInput, name: string): Float64Array {
  const generator = new Generator(hash(name));
  const size = sizeOf(input.shape);
  const data = new Float64Array(size);
  const fill = input.fill ?? 'normal';
  if (typeof fill === 'object') {
    if ('values' in fill) {
      if (fill.values.length !== size) throw new Error(`${name}: ${fill.values.length} values for ${size} elements`);
      data.set(fill.values);
    } else if ('head' in fill) {
      for (let i = 0; i < size; i++) data[i] = i < fill.head.length ? fill.head[i] : generator.uniform();
    } else {
      for (let i = 0; i < size; i++) data[i] = generator.integer(fill.integersBelow);
    }
  } else {
    switch (fill) {
      case 'normal':
        for (let i = 0; i < size; i++) data[i] = generator.normal();
        break;
      case 'uniform':
        for (let i = 0; i < size; i++) data[i] = generator.uniform();
        break;
      case 'positive':
        for (let i = 0; i < size; i++) data[i] = 0.5 + generator.uniform();
        break;
      case 'ones':
        data.fill(1);
        break;
      case 'zeros':
        break;
      case 'distinct':
        generator.shuffle(Array.from({ length: size }, (_, i) => i)).forEach((rank, i) => {
          data[i] = (rank / size) * 4 - 2;
        });
        break;
      default:
        fill satisfies never;
    }
  }
  return isFloat(input.dtype ?? 'f32') ? data.map(Math.fround) : data;
}
