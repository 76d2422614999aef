/** Runs every program's float64 reference on the CPU. */
import { GmtlError } from '../errors.ts';
import { roundToFloat16 } from '../tensor/float16.ts';
import { formatShape, sizeOf, type TensorSpec, type TypedArray } from '../tensor/spec.ts';
import type { Backend, BackendStatistics } from './backend.ts';
import type { NdArray, Program } from './definition.ts';
import { Storage, type Value } from './value.ts';

/** Runs every program's float64 reference on the CPU: the truth that kernels are held against. Slow by design. */
export class ReferenceBackend implements Backend {
  readonly name = 'float64 reference';
  #liveBytes = 0;
  #liveBuffers = 0;
  #peakLiveBytes = 0;

  allocate(spec: TensorSpec): Value {
    const data = new Float64Array(sizeOf(spec.shape)).fill(Number.NaN);
    this.#liveBytes += data.byteLength;
    this.#liveBuffers++;
    this.#peakLiveBytes = Math.max(this.#peakLiveBytes, this.#liveBytes);
    const free = () => {
      this.#liveBytes -= data.byteLength;
      this.#liveBuffers--;
    };
    return { spec, storage: new Storage({ kind: 'host', data }, free) };
  }

  upload(spec: TensorSpec, data: TypedArray | readonly number[] | Float64Array): Value {
    const value = this.allocate(spec);
    this.write(value, data);
    return value;
  }

  write(value: Value, data: TypedArray | readonly number[] | Float64Array): void {
    const target = this.array(value).data;
    if (data.length !== target.length) {
      throw new GmtlError(
        'tensor/shape',
        `${data.length} numbers do not fill a tensor of shape ${formatShape(value.spec.shape)}`,
      );
    }
    target.set(data);
    // What comes from the host is held as the element type holds it; results keep their float64 precision.
    if (value.spec.dtype === 'f16') target.set(target.map(roundToFloat16));
  }

  async download(value: Value): Promise<Float64Array> {
    return this.array(value).data.slice();
  }

  execute<A extends object>(
    program: Program<A>,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: A,
  ): void {
    const results = program.reference(
      inputs.map((input) => this.array(input)),
      attributes,
      outputs.map((output) => output.spec),
    );
    if (results.length !== outputs.length) {
      throw new Error(
        `${program.name}: the reference gave ${results.length} outputs, infer promised ${outputs.length}`,
      );
    }
    outputs.forEach((output, index) => {
      const { data, shape } = this.array(output);
      if (results[index].length !== data.length) {
        throw new Error(
          `${program.name}: reference output ${index} has ${results[index].length} elements, not ${formatShape(shape)}`,
        );
      }
      data.set(results[index]);
    });
  }

  /** The live float64 array behind a value (not a copy): what is written into it, the value holds. */
  array(value: Value): NdArray {
    const { handle, freed } = value.storage;
    if (freed || handle.kind !== 'host') {
      throw new GmtlError(
        'tensor/freed',
        `a tensor of shape ${formatShape(value.spec.shape)} was used after its memory was freed`,
      );
    }
    return { shape: value.spec.shape, data: handle.data };
  }

  async synchronize(): Promise<void> {}

  statistics(): BackendStatistics {
    return {
      liveBytes: this.#liveBytes,
      liveBuffers: this.#liveBuffers,
      peakLiveBytes: this.#peakLiveBytes,
      allocatedBytes: this.#liveBytes,
    };
  }

  destroy(): void {}
}
