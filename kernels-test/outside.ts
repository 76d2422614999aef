/**
 * Counts accesses outside arrays, vectors and matrices. Every index of a kernel (indices.ts) goes through a function, which notes one past the end and
 * moves it to the last element, as Dawn's own bounds checks do; each invocation counts the last one it noted. Where nothing
 * is counted, no kernel leaned on a bounds check.
 */

import { BUFFER_USAGE, MAP_MODE_READ, SHADER_STAGE_COMPUTE } from '../src/engine/gpu/flags.ts';
import { IndexRewriter, type Place } from './indices.ts';

/** The binding of the counts; kernels bind fewer buffers. */
const COUNTER_BINDING = 31;

const counter = (places: number): string => `
@group(0) @binding(${COUNTER_BINDING}) var<storage, read_write> outsideCounts: array<atomic<u32>, ${places}>;
var<private> outsideSeen = 0u;
fn outsideIndex(index: u32, length: u32, place: u32) -> u32 {
  outsideSeen = max(outsideSeen, select(0u, place + 1u, index >= length));
  return min(index, max(length, 1u) - 1u);
}`;

/** Lets the entry point count, once `main` has returned from wherever, the last place at which its invocation was outside. */
function countAtEnd(text: string): string {
  const start = text.indexOf('@compute');
  const open = text.indexOf('fn main(', start) + 'fn main('.length;
  const close = /\)\s*\{/.exec(text.slice(open))!.index + open;
  const parameters = text.slice(open, close);
  const names = [...parameters.matchAll(/(\w+)\s*:/g)].map(([, name]) => name);
  return `${text.slice(0, start)}fn mainCounted(${parameters.replaceAll(/@builtin\(\w+\)/g, '')}${text.slice(close)}
${text.slice(start, close)}) {
  mainCounted(${names.join(', ')});
  if (outsideSeen > 0u) { atomicAdd(&outsideCounts[outsideSeen - 1u], 1u); }
}`;
}

/** How many indices one device can count. */
const MOST_PLACES = 1 << 18;

/** Rewrites modules and counts on one device which of their indices were outside. */
class OutsideCounter {
  readonly #places: Place[] = [];
  readonly #isLocalCounted: boolean;
  readonly #device: GPUDevice;
  readonly #counts: GPUBuffer;
  readonly #read: GPUBuffer;

  constructor(device: GPUDevice, isLocalCounted: boolean) {
    this.#device = device;
    this.#isLocalCounted = isLocalCounted;
    this.#counts = device.createBuffer({
      label: 'outside',
      size: MOST_PLACES * 4,
      usage: BUFFER_USAGE.STORAGE | BUFFER_USAGE.COPY_SRC | BUFFER_USAGE.COPY_DST,
    });
    this.#read = device.createBuffer({
      label: 'outside read',
      size: MOST_PLACES * 4,
      usage: BUFFER_USAGE.MAP_READ | BUFFER_USAGE.COPY_DST,
    });
  }

  /** A kernel's WGSL that counts in this counter's buffer. */
  rewrite(kernel: string, code: string): string {
    const place = (each: Place): number => this.#places.push(each) - 1;
    const text = countAtEnd(new IndexRewriter(kernel, code, place, this.#isLocalCounted).rewrite());
    if (this.#places.length > MOST_PLACES) throw new Error('more places than are counted');
    return text + counter(MOST_PLACES);
  }

  get binding(): GPUBindGroupEntry {
    return { binding: COUNTER_BINDING, resource: { buffer: this.#counts } };
  }

  /** What was outside since the last call, in words. */
  async take(): Promise<string[]> {
    const encoder = this.#device.createCommandEncoder();
    const bytes = Math.max(4, this.#places.length * 4);
    encoder.copyBufferToBuffer(this.#counts, 0, this.#read, 0, bytes);
    encoder.clearBuffer(this.#counts, 0, bytes);
    this.#device.queue.submit([encoder.finish()]);
    await this.#read.mapAsync(MAP_MODE_READ, 0, bytes);
    const counts = new Uint32Array(this.#read.getMappedRange(0, bytes).slice(0));
    this.#read.unmap();
    return this.#places.flatMap(({ kernel, text }, index) =>
      counts[index] > 0 ? [`${kernel}: ${text} was outside in ${counts[index]} invocations`] : [],
    );
  }
}

/** Has a device count what is outside in every kernel that it compiles from now on: of buffers and workgroup memory, on request of functions' variables too. */
export function countOutside(device: GPUDevice, isLocalCounted: boolean): OutsideCounter {
  const counter = new OutsideCounter(device, isLocalCounted);
  const createShaderModule = device.createShaderModule.bind(device);
  const createBindGroupLayout = device.createBindGroupLayout.bind(device);
  const createBindGroup = device.createBindGroup.bind(device);
  device.createShaderModule = (descriptor) =>
    createShaderModule({ ...descriptor, code: counter.rewrite(descriptor.label ?? 'a kernel', descriptor.code) });
  device.createBindGroupLayout = ({ entries, ...rest }) =>
    createBindGroupLayout({
      ...rest,
      entries: [
        ...entries,
        { binding: COUNTER_BINDING, visibility: SHADER_STAGE_COMPUTE, buffer: { type: 'storage' } },
      ],
    });
  device.createBindGroup = ({ entries, ...rest }) =>
    createBindGroup({ ...rest, entries: [...entries, counter.binding] });
  return counter;
}
