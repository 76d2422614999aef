/**
 * What a kernel is, as data: the types that ops describe their kernels and dispatches with. Nothing here touches a device,
 * so plans can be made and tested without one.
 */

export type BindingAccess = 'read' | 'read_write';

/**
 * WGSL element type of a storage binding `array<type>`. The second row are the aliases of shaders/common/storage.wgsl, in f32 or f16
 * as the dispatch's `storage` says; the third those of common/result.wgsl (`result`); the fourth those of common/width.wgsl (`width`).
 */
export type BindingType =
  | 'f32'
  | 'u32'
  | 'i32'
  | 'vec4f'
  | 'vec2f'
  | 'vec4u'
  | 'Scalar'
  | 'Vec4'
  | 'Bits'
  | 'Bits4'
  | 'Result'
  | 'Result4'
  | 'Item'
  | 'ResultItem'
  | 'Number'
  | 'Index'
  | 'BitsItem';

/** How many bytes the aliased elements of a kernel take: f32 where nothing is said. Computing is done in float32 either way. */
export type StorageFormat = 'f16' | undefined;

/** How many neighboring elements a thread of a kernel over common/width.wgsl takes at a time. */
export type Width = 1 | 4;

export interface BindingDefinition {
  readonly name: string;
  readonly access: BindingAccess;
  readonly type: BindingType;
}

export type UniformType = 'u32' | 'i32' | 'f32';

/** Device features that a kernel may ask for. */
export type KernelFeature = 'subgroups' | 'shader-f16' | typeof SUBGROUP_MATRIX;

/**
 * One compute entry point, read from its WGSL by `kernel` (shaderKernel.ts): `@group(0) @binding(0) var<uniform> u: Uniforms;` with the fields
 * of `uniforms` in order (scalars only), then the storage bindings at 1, 2, … in order. A kernel without uniforms leaves binding 0 out.
 */
export interface KernelDefinition {
  /** `<op>/<kernel>`, equal to the path of its file under shaders/ without `.wgsl`. Also the profile and error label. */
  readonly name: string;
  readonly bindings: readonly BindingDefinition[];
  readonly uniforms: Readonly<Record<string, UniformType>>;
  /** Names of the WGSL `override` constants a dispatch may set. */
  readonly overrides: readonly string[];
  /** Names of the `const` lines that a dispatch must give a value (where WGSL wants a const, such as array lengths): `// #constant NAME`. */
  readonly constants: readonly string[];
  /** Device features without which the kernel cannot be compiled. */
  readonly features: readonly KernelFeature[];
}

/** Names a buffer of the program being planned: its inputs, outputs and scratch space. */
export type BufferReference = `in${number}` | `out${number}` | `tmp${number}`;

/** One dispatch of a plan. */
export interface Dispatch {
  readonly kernel: KernelDefinition;
  /** Binding name → buffer. Every binding of the kernel must be given. */
  readonly buffers: Readonly<Record<string, BufferReference>>;
  /** Uniform field → value. Every field must be given. */
  readonly uniforms: Readonly<Record<string, number>>;
  readonly overrides?: Readonly<Record<string, number>>;
  readonly constants?: Readonly<Record<string, number>>;
  /** What Scalar, Vec4, Bits and Bits4 of common/storage.wgsl are. */
  readonly storage?: StorageFormat;
  /** What Result and Result4 of common/result.wgsl are. */
  readonly result?: StorageFormat;
  /** What Item, ResultItem, Number, Index and BitsItem of common/width.wgsl are: 1 where left out. */
  readonly width?: Width;
  /** Workgroups along x, y, z; each at most 65,535 (use foldGrid). */
  readonly workgroups: readonly [number, number, number];
}

/** The ordered dispatches of one program and the scratch buffers (in bytes) they need. */
export interface Plan {
  readonly dispatches: readonly Dispatch[];
  readonly scratch?: readonly number[];
}

/** software = the CPU pretends to be a GPU (lavapipe, SwiftShader); gpu = hardware. Kernels are chosen by it. */
export type DeviceClass = 'software' | 'gpu';

/** The limits that plans look at, under WebGPU's own names. */
export interface PlanLimits {
  readonly maxStorageBufferBindingSize: number;
  readonly maxBufferSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupSizeX: number;
  readonly maxComputeWorkgroupSizeY: number;
  readonly maxComputeWorkgroupSizeZ: number;
  readonly maxComputeWorkgroupsPerDimension: number;
}

/** WebGPU's default limits: what every adapter grants. */
export const DEFAULT_LIMITS: PlanLimits = {
  maxStorageBufferBindingSize: 134_217_728,
  maxBufferSize: 268_435_456,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16_384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupsPerDimension: 65_535,
};

/** Dawn's feature of matrix units (see subgroupMatrix.ts). */
export const SUBGROUP_MATRIX = 'chromium-experimental-subgroup-matrix';

/** Dawn's feature of kernels that ask for the size of their subgroups (`@subgroup_size`). */
export const SUBGROUP_SIZES = 'subgroup-size-control';

/** The form that kernels use for one type of operand; sums are float32. */
export interface MatrixShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Lanes of a subgroup where kernels can ask for them, else the most that it may have. */
  readonly lanes: number;
}

/** Forms by the type of the operands; a type without one has no matrix units here. */
export interface SubgroupMatrixShapes {
  readonly f16?: MatrixShape | undefined;
  readonly f32?: MatrixShape | undefined;
}

/** What a plan may know of where it will run. */
export interface PlanTarget {
  readonly deviceClass: DeviceClass;
  readonly limits: PlanLimits;
  /** Optional WebGPU features the device was made with (`subgroups`, `shader-f16`, …). */
  readonly features: ReadonlySet<string>;
  /** Lanes of a subgroup where it is one known number (asked for, or min = max), else 0: do not build on it. */
  readonly subgroupSize: number;
  /** What the matrix units take, where the device has such and may use them. */
  readonly subgroupMatrix?: SubgroupMatrixShapes | undefined;
}

/** Rounds a number of workgroups into a grid that respects the 65,535 limit; shaders/common/grid.wgsl undoes it. */
export function foldGrid(workgroups: number, limit = 65_535): [number, number, number] {
  if (workgroups <= limit) return [Math.max(1, workgroups), 1, 1];
  const rows = Math.ceil(workgroups / limit);
  return [Math.ceil(workgroups / rows), rows, 1];
}

/** Workgroups for `threads` invocations in workgroups of `size`, folded. */
export function gridFor(threads: number, size: number): [number, number, number] {
  return foldGrid(Math.ceil(threads / size));
}
