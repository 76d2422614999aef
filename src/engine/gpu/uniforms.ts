/** Keeps the uniform values of all dispatches in one buffer. */
import { BUFFER_USAGE } from './flags.ts';

/** Uniform bindings start at multiples of this (WebGPU's default minUniformBufferOffsetAlignment). */
const STRIDE = 256;
const SLOTS_A_PAGE = 256;
/** About 16 MiB. An arena that grows beyond this holds values that change at every call, and starts anew. */
const MOST_SLOTS = 65_536;

/** Where one set of uniform values lies. */
export interface UniformSlot {
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly offset: number;
  /** Bytes bound. */
  readonly size: number;
}

/**
 * Uniform values, written once: equal values share a slot, and a slot never changes, so that eager and recorded dispatches bind it
 * without dynamic offsets (which cost a third of a dispatch's JavaScript time) and nothing is uploaded at a submit.
 */
export class UniformArena {
  readonly #device: GPUDevice;
  #slots = new Map<string, UniformSlot>();
  #page: GPUBuffer | null = null;
  #used = 0;
  static #nextId = 1;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** The slot that holds `bytes`; their number must be a multiple of 4 and at most 256. */
  slot(bytes: Uint8Array<ArrayBuffer>): UniformSlot {
    const key = String.fromCharCode(...bytes);
    const known = this.#slots.get(key);
    if (known) return known;
    // Pages that dispatches still name stay alive through their bind groups.
    if (this.#slots.size >= MOST_SLOTS) this.#slots = new Map();
    if (!this.#page || this.#used === SLOTS_A_PAGE) {
      this.#page = this.#device.createBuffer({
        label: 'uniforms',
        size: SLOTS_A_PAGE * STRIDE,
        usage: BUFFER_USAGE.UNIFORM | BUFFER_USAGE.COPY_DST,
      });
      this.#used = 0;
    }
    const slot = {
      id: UniformArena.#nextId++,
      buffer: this.#page,
      offset: this.#used++ * STRIDE,
      size: bytes.byteLength,
    };
    this.#device.queue.writeBuffer(slot.buffer, slot.offset, bytes);
    this.#slots.set(key, slot);
    return slot;
  }
}
