/** Reference-counted memory of tensors below autograd. */
import type { BoundBuffer } from '../gpu/bindGroups.ts';
import type { TensorSpec } from '../tensor/spec.ts';

/** Where a storage's elements live: device memory, float64 host memory, or nowhere (shape-only runs). */
export type StorageHandle =
  | { readonly kind: 'gpu'; readonly bound: BoundBuffer }
  | { readonly kind: 'host'; readonly data: Float64Array }
  | { readonly kind: 'none' };

/** Reference-counted memory. Tensors, graph nodes and optimizers hold references; at zero the backend takes it back. */
export class Storage {
  readonly handle: StorageHandle;
  readonly #free: (storage: Storage) => void;
  #references = 1;
  #version = 0;

  constructor(handle: StorageHandle, free: (storage: Storage) => void) {
    this.handle = handle;
    this.#free = free;
  }

  get references(): number {
    return this.#references;
  }

  get freed(): boolean {
    return this.#references === 0;
  }

  /** Counts the changes of the elements, as PyTorch's `_version`: what the graph saved must not have changed when backward reads it. */
  get version(): number {
    return this.#version;
  }

  /** The elements were changed in place. */
  changed(): void {
    this.#version++;
  }

  retain(): void {
    if (this.#references === 0) throw new Error('a freed storage was retained: a reference count went wrong');
    this.#references++;
  }

  release(): void {
    if (this.#references === 0) throw new Error('a storage was released once too often: a reference count went wrong');
    if (--this.#references === 0) this.#free(this);
  }
}

/** A tensor below autograd: a shape and type over memory. */
export interface Value {
  readonly spec: TensorSpec;
  readonly storage: Storage;
}
