import type { BindingType, KernelDefinition } from '../../gpu/kernel.ts';
import { defineKernel } from '../definition.ts';

type NumberType = 'f32' | 'vec4f';

/** Activations may be float16; weights, biases, statistics and all gradients of parameters are float32. */
const activation = (type: NumberType): BindingType => (type === 'f32' ? 'Scalar' : 'Vec4');

const forwardBindings = (type: NumberType): KernelDefinition['bindings'] => [
  { name: 'x', access: 'read', type: activation(type) },
  { name: 'weight', access: 'read', type },
  { name: 'bias', access: 'read', type },
  { name: 'y', access: 'read_write', type: activation(type) },
  { name: 'mean', access: 'read_write', type: 'f32' },
  { name: 'rstd', access: 'read_write', type: 'f32' },
];

const gradInputBindings = (type: NumberType): KernelDefinition['bindings'] => [
  { name: 'gradY', access: 'read', type: activation(type) },
  { name: 'x', access: 'read', type: activation(type) },
  { name: 'weight', access: 'read', type },
  { name: 'mean', access: 'read', type: 'f32' },
  { name: 'rstd', access: 'read', type: 'f32' },
  { name: 'gradX', access: 'read_write', type: activation(type) },
];

const gradParametersBindings = (type: NumberType): KernelDefinition['bindings'] => [
  { name: 'gradY', access: 'read', type: activation(type) },
  { name: 'x', access: 'read', type: activation(type) },
  { name: 'mean', access: 'read', type: 'f32' },
  { name: 'rstd', access: 'read', type: 'f32' },
  { name: 'gradWeight', access: 'read_write', type },
  { name: 'gradBias', access: 'read_write', type },
];

export const forwardKernel = defineKernel({
  name: 'layerNorm/forward',
  bindings: forwardBindings('f32'),
  uniforms: { rows: 'u32', columns: 'u32', stride: 'u32', eps: 'f32' },
});

export const forwardVec4Kernel = defineKernel({
  name: 'layerNorm/forwardVec4',
  bindings: forwardBindings('vec4f'),
  uniforms: { rows: 'u32', groups: 'u32', stride: 'u32', eps: 'f32' },
});

export const forwardWorkgroupKernel = defineKernel({
  name: 'layerNorm/forwardWorkgroup',
  bindings: forwardBindings('f32'),
  uniforms: { rows: 'u32', columns: 'u32', eps: 'f32' },
});

export const gradInputKernel = defineKernel({
  name: 'layerNorm/gradInput',
  bindings: gradInputBindings('f32'),
  uniforms: { rows: 'u32', columns: 'u32', stride: 'u32' },
});

export const gradInputVec4Kernel = defineKernel({
  name: 'layerNorm/gradInputVec4',
  bindings: gradInputBindings('vec4f'),
  uniforms: { rows: 'u32', groups: 'u32', stride: 'u32' },
});

export const gradInputWorkgroupKernel = defineKernel({
  name: 'layerNorm/gradInputWorkgroup',
  bindings: gradInputBindings('f32'),
  uniforms: { rows: 'u32', columns: 'u32' },
});

export const gradParametersKernel = defineKernel({
  name: 'layerNorm/gradParameters',
  bindings: gradParametersBindings('f32'),
  uniforms: { rows: 'u32', columns: 'u32', chunks: 'u32' },
});

export const gradParametersVec4Kernel = defineKernel({
  name: 'layerNorm/gradParametersVec4',
  bindings: gradParametersBindings('vec4f'),
  uniforms: { rows: 'u32', columns: 'u32', chunks: 'u32' },
});

/** Lanes of a subgroup, and groups of four columns that each of them owns. */
const LANE_CONSTANTS = ['LANES', 'PER_LANE'];

export const forwardLanesKernel = defineKernel({
  name: 'layerNorm/forwardLanes',
  bindings: forwardBindings('vec4f'),
  uniforms: { rows: 'u32', groups: 'u32', stride: 'u32', eps: 'f32' },
  constants: LANE_CONSTANTS,
  features: ['subgroups'],
});

export const backwardLanesKernel = defineKernel({
  name: 'layerNorm/backwardLanes',
  bindings: [
    ...gradInputBindings('vec4f'),
    { name: 'gradWeight', access: 'read_write', type: 'vec4f' },
    { name: 'gradBias', access: 'read_write', type: 'vec4f' },
  ],
  uniforms: { rows: 'u32', groups: 'u32', stride: 'u32' },
  constants: LANE_CONSTANTS,
  features: ['subgroups'],
});
