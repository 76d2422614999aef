import { GmtlError } from '../errors.ts';
import { SHADER_STAGE_COMPUTE } from './flags.ts';
import type { Dispatch, KernelDefinition } from './kernel.ts';
import { assembleShader, type ShaderFiles } from './shaders.ts';

export interface CompiledKernel {
  readonly id: number;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly layoutId: number;
  readonly hasUniforms: boolean;
  readonly uniformFields: readonly [string, 'u32' | 'i32' | 'f32'][];
  readonly bindingNames: readonly string[];
}

function sortedEntries(values: Readonly<Record<string, number>> | undefined): [string, number][] {
  return Object.entries(values ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Compiles each kernel × constants once; shader errors name the kernel, the file and its line. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #files: ShaderFiles;
  readonly #report: (pending: Promise<GmtlError | null>) => void;
  readonly #compiled = new Map<KernelDefinition, Map<string, CompiledKernel>>();
  readonly #layouts = new Map<string, { id: number; layout: GPUBindGroupLayout; pipelineLayout: GPUPipelineLayout }>();
  #count = 0;

  constructor(device: GPUDevice, files: ShaderFiles, report: (pending: Promise<GmtlError | null>) => void) {
    this.#device = device;
    this.#files = files;
    this.#report = report;
  }

  get size(): number {
    return this.#count;
  }

  /** `label` says in errors what the kernel was wanted for: the op's inputs. */
  get(dispatch: Dispatch, label: string): CompiledKernel {
    const { kernel } = dispatch;
    let variants = this.#compiled.get(kernel);
    if (!variants) {
      variants = new Map();
      this.#compiled.set(kernel, variants);
    }
    const key = JSON.stringify([sortedEntries(dispatch.overrides), sortedEntries(dispatch.constants)]);
    let compiled = variants.get(key);
    if (!compiled) {
      compiled = this.#compile(dispatch, label);
      variants.set(key, compiled);
    }
    return compiled;
  }

  #compile({ kernel, overrides, constants }: Dispatch, label: string): CompiledKernel {
    for (const name of Object.keys(overrides ?? {})) {
      if (!kernel.overrides?.includes(name))
        throw new GmtlError('shader', `${kernel.name}: no override is named ${name}`);
    }
    const device = this.#device;
    const path = `${kernel.name}.wgsl`;
    const shader = assembleShader(this.#files, path, constants);
    const uniformFields = Object.entries(kernel.uniforms);
    const layout = this.#layout(kernel, uniformFields.length > 0);

    device.pushErrorScope('validation');
    device.pushErrorScope('internal');
    const module = device.createShaderModule({ label: kernel.name, code: shader.code });
    const pipeline = device.createComputePipeline({
      label: kernel.name,
      layout: layout.pipelineLayout,
      compute: { module, entryPoint: 'main', constants: { ...overrides } },
    });
    const internal = device.popErrorScope();
    const validation = device.popErrorScope();
    this.#report(
      (async () => {
        const error = (await validation) ?? (await internal);
        if (!error) return null;
        const information = await module.getCompilationInfo();
        const messages = information.messages
          .filter((message) => message.type === 'error')
          .map((message) => {
            const origin = shader.lines[message.lineNum - 1];
            return `  shaders/${origin?.file ?? path}:${origin?.line ?? message.lineNum}:${message.linePos} ${message.message}`;
          });
        const settings = JSON.stringify({ ...overrides, ...constants });
        return new GmtlError(
          'shader',
          `kernel ${kernel.name} ${settings} did not compile (wanted for ${label}):\n${messages.join('\n') || `  ${error.message}`}\n` +
            'Try another --adapter (`gmtl doctor` lists them); if the shader is unchanged, please report it with the adapter and driver',
        );
      })(),
    );
    return {
      id: ++this.#count,
      pipeline,
      layout: layout.layout,
      layoutId: layout.id,
      hasUniforms: uniformFields.length > 0,
      uniformFields,
      bindingNames: kernel.bindings.map((binding) => binding.name),
    };
  }

  #layout(kernel: KernelDefinition, hasUniforms: boolean) {
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
          buffer: { type: 'uniform', hasDynamicOffset: true },
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
