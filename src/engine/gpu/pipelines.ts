/** Compiles kernels into pipelines, once for each set of constants. */
import { GmtlError } from '../errors.ts';
import { SHADER_STAGE_COMPUTE } from './flags.ts';
import { type Dispatch, type KernelDefinition, SUBGROUP_SIZES } from './kernel.ts';
import { type AssembledShader, assembleShader, type ShaderFiles } from './shaders.ts';

export interface CompiledKernel {
  readonly id: number;
  /** Compiled at first use, unless it was compiled in the background. */
  readonly pipeline: GPUComputePipeline;
  /** Set while it is compiled in the background; settles when that is done or has failed (a failure is reported to the device). */
  readonly compiling: Promise<void> | null;
  readonly layout: GPUBindGroupLayout;
  readonly layoutId: number;
  readonly hasUniforms: boolean;
  readonly uniformFields: readonly [string, 'u32' | 'i32' | 'f32'][];
  /** Which of its bindings it may write. */
  readonly writes: readonly boolean[];
  /** Why it does not compile; null once it is known to, undefined until then. */
  failure: GmtlError | null | undefined;
}

/** A pipeline that is compiled at first use or in the background. */
class LazyPipeline {
  #pipeline: GPUComputePipeline | null = null;
  readonly #create: () => GPUComputePipeline;
  compiling: Promise<void> | null = null;

  constructor(create: () => GPUComputePipeline) {
    this.#create = create;
  }

  wait(pending: Promise<GPUComputePipeline>): void {
    this.compiling = pending.then(
      (pipeline) => {
        this.#pipeline ??= pipeline;
        this.compiling = null;
      },
      // What went wrong is reported in the device's own words through the error scopes.
      () => {
        this.compiling = null;
      },
    );
  }

  /** The pipeline, compiled now if it is not ready yet. */
  get value(): GPUComputePipeline {
    this.#pipeline ??= this.#create();
    return this.#pipeline;
  }
}

/** A kernel's shader and what its pipeline is made of. */
interface KernelModule {
  readonly shader: AssembledShader;
  readonly layout: PipelineLayout;
  readonly module: GPUShaderModule;
  readonly descriptor: GPUComputePipelineDescriptor;
}

interface PipelineLayout {
  readonly id: number;
  readonly layout: GPUBindGroupLayout;
  readonly pipelineLayout: GPUPipelineLayout;
}

const messageOf = (cause: unknown): string => String(cause instanceof Error ? cause.message : cause);

function sortedEntries(values: Readonly<Record<string, number>> | undefined): [string, number][] {
  return Object.entries(values ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Compiles each kernel once per set of constants; shader errors name the kernel, the file and its line. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #files: ShaderFiles;
  readonly #report: (pending: Promise<GmtlError | null>) => void;
  readonly #compiled = new Map<KernelDefinition, Map<string, CompiledKernel>>();
  readonly #layouts = new Map<string, PipelineLayout>();
  #count = 0;

  constructor(device: GPUDevice, files: ShaderFiles, report: (pending: Promise<GmtlError | null>) => void) {
    this.#device = device;
    this.#files = files;
    this.#report = report;
  }

  get size(): number {
    return this.#count;
  }

  /** `label` names the op's inputs in errors. `later`: compile in the background (see `compiling`). */
  get(dispatch: Dispatch, label: string, later = false): CompiledKernel {
    const [variants, key] = this.#place(dispatch);
    let compiled = variants.get(key);
    if (!compiled) {
      compiled = this.#compile(dispatch, label, later);
      variants.set(key, compiled);
    }
    return compiled;
  }

  /** Where the compiled kernel of a dispatch is kept. */
  #place({ kernel, overrides, constants, storage, result, width }: Dispatch): [Map<string, CompiledKernel>, string] {
    let variants = this.#compiled.get(kernel);
    if (!variants) {
      variants = new Map();
      this.#compiled.set(kernel, variants);
    }
    return [variants, JSON.stringify([sortedEntries(overrides), sortedEntries(constants), storage, result, width])];
  }

  /** Compiles a kernel and returns its error, or null: then it is kept for `get`. */
  async probe(dispatch: Dispatch): Promise<GmtlError | null> {
    const device = this.#device;
    let made: KernelModule;
    try {
      made = this.#module(dispatch, 'a trial');
    } catch (error) {
      if (error instanceof GmtlError) return error;
      throw error;
    }
    const pending = device.createComputePipelineAsync(made.descriptor);
    const failure = pending.then(() => null, messageOf);
    const scopes = [device.popErrorScope(), device.popErrorScope()];
    const error = await this.#explain(made, dispatch, 'a trial', scopes, failure);
    const [variants, key] = this.#place(dispatch);
    if (error === null && !variants.has(key)) {
      const pipeline = await pending;
      const kept = this.#kept(dispatch, made, new LazyPipeline(() => pipeline));
      kept.failure = null;
      variants.set(key, kept);
    }
    return error;
  }

  /** The shader module of a dispatch and what its pipeline is made of. Opens two error scopes for it, which the caller closes. */
  #module({ kernel, overrides, constants, storage, result, width }: Dispatch, label: string): KernelModule {
    for (const name of Object.keys(overrides ?? {})) {
      if (!kernel.overrides.includes(name))
        throw new GmtlError('gpu/shader', `${kernel.name}: no override is named ${name}`);
    }
    const device = this.#device;
    if ((storage || result) && !device.features.has('shader-f16')) {
      throw new GmtlError(
        'gpu/shader',
        `${kernel.name} (wanted for ${label}): this adapter has no shader-f16; compute in f32`,
      );
    }
    const { maxStorageBuffersPerShaderStage: grants } = device.limits;
    if (kernel.bindings.length > grants) {
      throw new GmtlError(
        'gpu/shader',
        `${kernel.name} (wanted for ${label}) binds ${kernel.bindings.length} storage buffers, and this adapter grants ${grants} per shader: ` +
          'take a version of the kernel with fewer',
      );
    }
    const sized = device.features.has(SUBGROUP_SIZES);
    const shader = assembleShader(this.#files, `${kernel.name}.wgsl`, constants, { storage, result, width, sized });
    const layout = this.#layout(kernel, Object.keys(kernel.uniforms).length > 0);
    device.pushErrorScope('validation');
    device.pushErrorScope('internal');
    const module = device.createShaderModule({ label: kernel.name, code: shader.code });
    const descriptor: GPUComputePipelineDescriptor = {
      label: kernel.name,
      layout: layout.pipelineLayout,
      compute: { module, entryPoint: 'main', constants: { ...overrides } },
    };
    return { shader, layout, module, descriptor };
  }

  /** The error that the scopes (innermost first) or the pipeline's own promise report, with the shader's lines. */
  async #explain(
    { shader, module }: KernelModule,
    { kernel, overrides, constants, storage, result, width }: Dispatch,
    label: string,
    [internal, validation]: readonly Promise<GPUError | null>[],
    failure: Promise<string | null>,
  ): Promise<GmtlError | null> {
    const message = ((await validation) ?? (await internal))?.message ?? (await failure);
    if (message === null) return null;
    const information = await module.getCompilationInfo();
    const messages = information.messages
      .filter(({ type }) => type === 'error')
      .map((each) => {
        const origin = shader.lines[each.lineNum - 1];
        const place = `${origin?.file ?? `${kernel.name}.wgsl`}:${origin?.line ?? each.lineNum}:${each.linePos}`;
        return `  shaders/${place} ${each.message}`;
      });
    const settings = JSON.stringify({ ...overrides, ...constants, storage, result, width });
    return new GmtlError(
      'gpu/shader',
      `kernel ${kernel.name} ${settings} did not compile (wanted for ${label}):\n${messages.join('\n') || `  ${message}`}\n` +
        'Try another --adapter (`gmtl doctor` lists them); if the shader is unchanged, please report it with the adapter and driver',
    );
  }

  #compile(dispatch: Dispatch, label: string, later: boolean): CompiledKernel {
    const device = this.#device;
    const made = this.#module(dispatch, label);
    const pipeline = new LazyPipeline(() => device.createComputePipeline(made.descriptor));
    let failure: Promise<string | null> = Promise.resolve(null);
    if (later) {
      // Asynchronous creation reports to its promise, not to error scopes.
      const pending = device.createComputePipelineAsync(made.descriptor);
      failure = pending.then(() => null, messageOf);
      pipeline.wait(pending);
    } else {
      void pipeline.value;
    }
    const scopes = [device.popErrorScope(), device.popErrorScope()];
    const kept = this.#kept(dispatch, made, pipeline);
    const explained = this.#explain(made, dispatch, label, scopes, failure);
    this.#report(
      explained.then((error) => {
        kept.failure = error;
        return error;
      }),
    );
    return kept;
  }

  #kept({ kernel }: Dispatch, { layout }: KernelModule, pipeline: LazyPipeline): CompiledKernel {
    const uniformFields = Object.entries(kernel.uniforms);
    return {
      id: ++this.#count,
      get pipeline() {
        return pipeline.value;
      },
      get compiling() {
        return pipeline.compiling;
      },
      layout: layout.layout,
      layoutId: layout.id,
      hasUniforms: uniformFields.length > 0,
      uniformFields,
      writes: kernel.bindings.map(({ access }) => access === 'read_write'),
      failure: undefined,
    };
  }

  #layout(kernel: KernelDefinition, hasUniforms: boolean): PipelineLayout {
    const key = JSON.stringify([hasUniforms, kernel.bindings.map((binding) => binding.access)]);
    let entry = this.#layouts.get(key);
    if (!entry) {
      const entries: GPUBindGroupLayoutEntry[] = kernel.bindings.map((binding, index) => ({
        binding: index + 1,
        visibility: SHADER_STAGE_COMPUTE,
        buffer: { type: binding.access === 'read' ? 'read-only-storage' : 'storage' },
      }));
      if (hasUniforms) {
        entries.unshift({
          binding: 0,
          visibility: SHADER_STAGE_COMPUTE,
          buffer: { type: 'uniform' },
        });
      }
      const layout = this.#device.createBindGroupLayout({ label: key, entries });
      const pipelineLayout = this.#device.createPipelineLayout({ label: key, bindGroupLayouts: [layout] });
      entry = { id: this.#layouts.size, layout, pipelineLayout };
      this.#layouts.set(key, entry);
    }
    return entry;
  }
}
