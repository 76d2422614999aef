/** Tier: no adapter. What the registry promises, checked against the shaders and the references alone. */
import { describe, expect, it } from 'vitest';
import { ceilingKernels } from '../src/engine/tuning/ceilings.ts';
import { gradcheck } from '../src/engine/check/gradcheck.ts';
import { runCase } from '../src/engine/check/runCase.ts';
import { DEFAULT_LIMITS, type KernelDefinition, type PlanTarget } from '../src/engine/gpu/kernel.ts';
import { probeKernels } from '../src/engine/gpu/probes.ts';
import { matrixShapes, type SubgroupMatrixConfig } from '../src/engine/gpu/subgroupMatrix.ts';
import { SHADER_TEXT } from '../src/engine/gpu/shaderText.generated.ts';
import { bindingProblem } from '../src/engine/ops/bindings.ts';
import type { CasePurpose } from '../src/engine/ops/definition.ts';
import { ops } from '../src/engine/ops/index.ts';
import { type ProgramCall, listCalls } from '../src/engine/ops/invocations.ts';
import { halfCase } from '../src/engine/ops/storage.ts';
import { DryBackend } from '../src/engine/ops/tapBackend.ts';

const programs = [
  ...new Set(ops.flatMap((op) => [op.forward, ...(op.inference ? [op.inference] : []), ...(op.programs ?? [])])),
];

function callsOf(purpose: CasePurpose): (ProgramCall & { op: string; testCase: string })[] {
  return ops.flatMap((op) =>
    op.cases
      .filter((testCase) => testCase.purpose.includes(purpose))
      .flatMap((testCase) => [testCase, halfCase(op, testCase) ?? []].flat())
      .flatMap((testCase) =>
        listCalls(new DryBackend(), (backend) => runCase(op, testCase, backend, null)).map((call) => ({
          ...call,
          op: op.name,
          testCase: testCase.name,
        })),
      ),
  );
}

const calls = [...callsOf('test'), ...callsOf('bench')];
const kernels: KernelDefinition[] = [
  ...new Set([...programs, ...calls.map(({ program }) => program)].flatMap((program) => program.kernels)),
  ...ceilingKernels,
  ...probeKernels,
];

describe('shader files', () => {
  const files = Object.keys(SHADER_TEXT);

  it('each is claimed by exactly one kernel', () => {
    const claimed = kernels.map(({ name }) => `${name}.wgsl`);
    expect(claimed.filter((file, index) => claimed.indexOf(file) !== index)).toEqual([]);
    expect(files.filter((file) => !file.startsWith('common/')).sort()).toEqual([...claimed].sort());
  });

  it('each common file is included by a kernel', () => {
    const included = new Set(
      files.flatMap((file) => [...SHADER_TEXT[file].matchAll(/^\s*\/\/ #include "([^"]+)"/gm)].map((m) => m[1])),
    );
    // The files for float16, width 4 and sizes of subgroups replace others; see assembleShader.
    const named = (file: string): string =>
      file.replace(/(storage|result)F16|(width|productRow|outRow)4|(subgroup)Sized/, '$1$2$3');
    expect(files.filter((file) => file.startsWith('common/') && !included.has(named(file)))).toEqual([]);
  });
});

/** Forms of matrix products: NVIDIA's and Apple's. */
const MATRIX_CONFIGS: readonly SubgroupMatrixConfig[] = [
  { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 },
  { componentType: 'f32', resultComponentType: 'f32', M: 8, N: 8, K: 8 },
];

/** Kinds of device that a plan may be made for. */
const TARGETS: readonly PlanTarget[] = (['software', 'gpu'] as const).flatMap((deviceClass) =>
  [0, 4, 8, 32].map((subgroupSize) => ({
    deviceClass,
    limits: DEFAULT_LIMITS,
    features: new Set(subgroupSize ? ['subgroups'] : []),
    subgroupSize,
    ...(subgroupSize === 32 && { subgroupMatrix: matrixShapes(MATRIX_CONFIGS, 32) }),
  })),
);

describe('registry', () => {
  it('names are unique', () => {
    const names = ops.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    const programNames = programs.map(({ name }) => name);
    expect(programNames.filter((name, index) => programNames.indexOf(name) !== index)).toEqual([]);
  });

  it('every differentiable op has a gradient case; the others say why they have none', () => {
    const without = ops.filter((op) =>
      'backward' in op.gradient
        ? !op.cases.some(({ purpose }) => purpose.includes('gradient'))
        : op.gradient.none.length < 10,
    );
    expect(without.map(({ name }) => name)).toEqual([]);
  });

  it('every program has a test case and a bench case that reach it', () => {
    for (const purpose of ['test', 'bench'] as const) {
      const reached = new Set(callsOf(purpose).map(({ program }) => program.name));
      expect(
        programs.map(({ name }) => name).filter((name) => !reached.has(name)),
        purpose,
      ).toEqual([]);
    }
  });

  it('every version of every program is reached by a test case on some target', () => {
    const used = new Set([...programs, ...calls.map(({ program }) => program)]);
    const named = [...used].flatMap(({ name, versions = [] }) => versions.map((version) => `${name} ${version}`));
    const reached = new Set<string>();
    for (const { program, inputs, outputs, attributes } of callsOf('test')) {
      for (const version of program.versions ?? []) {
        if (TARGETS.some((target) => program.plan(inputs, outputs, attributes, target, version)))
          reached.add(`${program.name} ${version}`);
      }
    }
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((version) => !reached.has(version))).toEqual([]);
  });

  it("plans fit WebGPU's default limits, for each class of device and version", () => {
    const problems: string[] = [];
    for (const target of TARGETS) {
      const { deviceClass } = target;
      for (const call of calls) {
        for (const version of [undefined, ...(call.program.versions ?? [])]) {
          const plan = call.program.plan(call.inputs, call.outputs, call.attributes, target, version);
          const label = `${call.op} / ${call.testCase}: ${call.program.name} ${version ?? 'default'} on ${deviceClass}`;
          if (!plan) {
            if (version === undefined) problems.push(`${label}: no plan`);
            continue;
          }
          for (const dispatch of plan.dispatches) {
            if (dispatch.workgroups.some((count) => count > 65_535 || count < 1))
              problems.push(`${label}: grid ${dispatch.workgroups}`);
            if (dispatch.kernel.bindings.length > DEFAULT_LIMITS.maxStorageBuffersPerShaderStage)
              problems.push(`${label}: bindings`);
            if (!call.program.kernels.includes(dispatch.kernel))
              problems.push(`${label}: undeclared kernel ${dispatch.kernel.name}`);
            for (const binding of dispatch.kernel.bindings) {
              const buffer = dispatch.buffers[binding.name];
              if (!buffer) problems.push(`${label}: no buffer for ${binding.name}`);
              const specs = buffer?.startsWith('in') ? call.inputs : buffer?.startsWith('out') ? call.outputs : [];
              const dtype = specs.at(Number(buffer?.replace(/\D+/, '')))?.dtype;
              const problem = dtype && bindingProblem(dtype, binding, dispatch);
              if (problem) problems.push(`${label}: ${buffer} ${problem}`);
            }
            for (const field of Object.keys(dispatch.kernel.uniforms)) {
              if (!Number.isFinite(dispatch.uniforms[field]))
                problems.push(`${label}: uniform ${field} = ${dispatch.uniforms[field]}`);
            }
            const { kernel, constants = {}, overrides = {} } = dispatch;
            if (Object.keys(constants).sort().join() !== [...kernel.constants].sort().join())
              problems.push(
                `${label}: constants ${Object.keys(constants)}, but ${kernel.name} has ${kernel.constants}`,
              );
            for (const name of Object.keys({ ...overrides, ...dispatch.buffers, ...dispatch.uniforms })) {
              const known = [
                ...kernel.overrides,
                ...Object.keys(kernel.uniforms),
                ...kernel.bindings.map((b) => b.name),
              ];
              if (!known.includes(name)) problems.push(`${label}: ${kernel.name} knows nothing of ${name}`);
            }
          }
          for (const bytes of plan.scratch ?? []) {
            if (bytes > DEFAULT_LIMITS.maxStorageBufferBindingSize)
              problems.push(`${label}: scratch of ${bytes} bytes`);
          }
        }
      }
    }
    expect([...new Set(problems)]).toEqual([]);
  });
});

describe('central differences of the references agree with backward', () => {
  for (const op of ops) {
    for (const testCase of op.cases.filter(({ purpose }) => purpose.includes('gradient'))) {
      it(`${op.name}: ${testCase.name}`, async () => {
        expect(await gradcheck(op, testCase)).toEqual([]);
      });
    }
  }
});
