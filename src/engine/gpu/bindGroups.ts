/** Binds buffers and uniforms to kernels; the bind groups of eager dispatches are kept. */
import type { CompiledKernel } from './pipelines.ts';
import type { PooledBuffer } from './pool.ts';
import type { UniformSlot } from './uniforms.ts';

/** A range of a pooled buffer as a kernel sees it. */
export interface BoundBuffer {
  readonly pooled: PooledBuffer;
  /** Bytes bound, a multiple of 4. */
  readonly bytes: number;
}

/** A dispatch with its kernel compiled (or being compiled) and its uniforms on the device: what executing a cached plan needs. */
export interface PreparedDispatch {
  readonly kernel: CompiledKernel;
  /** Null where the kernel has none. */
  readonly uniforms: UniformSlot | null;
  readonly workgroups: readonly [number, number, number];
  readonly label: string;
  /** See `BoundDispatch`. */
  readonly seconds: number;
}

const MOST_KEPT = 16_384;

export class BindGroups {
  readonly #device: GPUDevice;
  readonly #kept = new Map<string, GPUBindGroup>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** The bind group of a dispatch over `buffers`, made once as long as these live. */
  get(prepared: PreparedDispatch, buffers: readonly BoundBuffer[]): GPUBindGroup {
    let key = `${prepared.kernel.layoutId}:${prepared.uniforms?.id ?? 0}`;
    for (const bound of buffers) key += `,${bound.pooled.id}:${bound.bytes}`;
    let group = this.#kept.get(key);
    if (!group) {
      if (this.#kept.size >= MOST_KEPT) this.#kept.clear();
      group = this.create(prepared, buffers);
      this.#kept.set(key, group);
    }
    return group;
  }

  /** A bind group that is not kept. @param buffers in the order of the kernel's bindings. */
  create({ kernel, uniforms, label }: PreparedDispatch, buffers: readonly BoundBuffer[]): GPUBindGroup {
    const entries: GPUBindGroupEntry[] = buffers.map((bound, index) => ({
      binding: index + 1,
      resource: { buffer: bound.pooled.buffer, size: bound.bytes },
    }));
    if (uniforms) {
      const { buffer, offset, size } = uniforms;
      entries.unshift({ binding: 0, resource: { buffer, offset, size } });
    }
    return this.#device.createBindGroup({ label, layout: kernel.layout, entries });
  }

  /** Lets go of all groups: they would keep buffers that were freed. */
  clear(): void {
    this.#kept.clear();
  }
}
