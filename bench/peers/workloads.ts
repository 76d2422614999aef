/** The workloads that are measured, as data, in the layouts of gmtl (channels last). Engines convert once, outside the timed part. */
import { type Fill, makeInput } from './inputs.ts';

/** `forward`: the output. `both`: the output and every gradient. `step`: a whole training step. */
export type Pass = 'forward' | 'both' | 'step';

export interface InputSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly fill: Fill;
}

export type WorkloadKind =
  | 'matmul' // y[M, N] = a[M, K] b[K, N]
  | 'conv2d' // x [N, H, W, C], w [KH, KW, C, O], no bias
  | 'depthwise' // x [N, H, W, C], w [K, K, C], padding that keeps the size, no bias
  | 'layerNorm' // x [R, C], w [C], b [C]
  | 'bilinear' // x [N, H, W, C] to twice the size, half-pixel centers
  | 'crossEntropy' // logits [N, C], labels [N]: the mean loss
  | 'gelu' // exact: x/2 (1 + erf(x/sqrt 2))
  | 'convnext'; // a training step

export interface Workload {
  readonly key: string;
  readonly title: string;
  readonly kind: WorkloadKind;
  readonly passes: readonly Pass[];
  /** All of them; `dy` (the gradient that backward starts from) is read by pass `both` only. */
  readonly inputs: readonly InputSpec[];
  /** Inputs whose gradients pass `both` gives, named `d<input>`; the output is `y`. */
  readonly differentiable: readonly string[];
  /** Shape of `y`. */
  readonly output: readonly number[];
  readonly stride: number;
  readonly padding: number;
}

/** LayerNorm's epsilon, in all workloads. */
export const EPS = 1e-6;
/** The training step's model, batch and optimizer (AdamW as PyTorch's, decay on all parameters). */
export const STEP = {
  depths: [2, 2, 6, 2],
  dims: [40, 80, 160, 320],
  classes: 1000,
  batch: 8,
  size: 128,
  lr: 1e-3,
  betas: [0.9, 0.999],
  adamEps: 1e-8,
  weightDecay: 0.05,
} as const;

const unit: Fill = { kind: 'uniform', scale: Math.sqrt(3), shift: 0 };
const weightOf = (fanIn: number): Fill => ({ kind: 'uniform', scale: Math.sqrt(3 / fanIn), shift: 0 });
const nearOne: Fill = { kind: 'uniform', scale: 0.2, shift: 1 };
const small: Fill = { kind: 'uniform', scale: 0.1, shift: 0 };

function workload(
  key: string,
  title: string,
  kind: WorkloadKind,
  inputs: readonly InputSpec[],
  output: readonly number[],
  geometry: { readonly stride?: number; readonly padding?: number } = {},
): Workload {
  const dy: InputSpec[] = output.length === 0 ? [] : [{ name: 'dy', shape: output, fill: unit }];
  return {
    key,
    title,
    kind,
    passes: ['forward', 'both'],
    inputs: [...inputs, ...dy],
    differentiable: inputs.filter(({ fill }) => fill.kind !== 'labels').map(({ name }) => name),
    output,
    stride: geometry.stride ?? 1,
    padding: geometry.padding ?? 0,
  };
}

function product(m: number, k: number, n: number): Workload {
  return workload(
    `matmul-${m}x${k}x${n}`,
    `matmul ${m}x${k}x${n}`,
    'matmul',
    [
      { name: 'a', shape: [m, k], fill: unit },
      { name: 'b', shape: [k, n], fill: weightOf(k) },
    ],
    [m, n],
  );
}

function convolution(
  title: string,
  [n, size, channels]: readonly [number, number, number],
  [kernel, out, stride, padding]: readonly [number, number, number, number],
): Workload {
  const extent = (size + 2 * padding - kernel) / stride + 1;
  return workload(
    `conv-${kernel}x${kernel}`,
    title,
    'conv2d',
    [
      { name: 'x', shape: [n, size, size, channels], fill: unit },
      { name: 'w', shape: [kernel, kernel, channels, out], fill: weightOf(kernel * kernel * channels) },
    ],
    [n, extent, extent, out],
    { stride, padding },
  );
}

function depthwise(n: number, channels: number, size: number): Workload {
  const shape = [n, size, size, channels];
  return workload(
    `depthwise-c${channels}`,
    `depthwise 7x7 N${n} C${channels} ${size}x${size}`,
    'depthwise',
    [
      { name: 'x', shape, fill: unit },
      { name: 'w', shape: [7, 7, channels], fill: weightOf(49) },
    ],
    shape,
    { padding: 3 },
  );
}

/** Name, shape and fill of every parameter of ConvNeXt under timm's names, in gmtl's layouts. */
export function convnextParameters(): InputSpec[] {
  const { depths, dims, classes } = STEP;
  const list: InputSpec[] = [];
  const add = (name: string, shape: readonly number[], fill: Fill) => list.push({ name, shape, fill });
  const norm = (name: string, channels: number) => {
    add(`${name}.weight`, [channels], nearOne);
    add(`${name}.bias`, [channels], small);
  };
  add('stem.0.weight', [4, 4, 3, dims[0]], weightOf(48));
  add('stem.0.bias', [dims[0]], small);
  norm('stem.1', dims[0]);
  dims.forEach((channels, stage) => {
    if (stage > 0) {
      const before = dims[stage - 1];
      norm(`stages.${stage}.downsample.0`, before);
      add(`stages.${stage}.downsample.1.weight`, [2, 2, before, channels], weightOf(4 * before));
      add(`stages.${stage}.downsample.1.bias`, [channels], small);
    }
    for (let block = 0; block < depths[stage]; block++) {
      const prefix = `stages.${stage}.blocks.${block}`;
      add(`${prefix}.conv_dw.weight`, [7, 7, channels], weightOf(49));
      add(`${prefix}.conv_dw.bias`, [channels], small);
      norm(`${prefix}.norm`, channels);
      add(`${prefix}.mlp.fc1.weight`, [4 * channels, channels], weightOf(channels));
      add(`${prefix}.mlp.fc1.bias`, [4 * channels], small);
      add(`${prefix}.mlp.fc2.weight`, [channels, 4 * channels], weightOf(4 * channels));
      add(`${prefix}.mlp.fc2.bias`, [channels], small);
      add(`${prefix}.gamma`, [channels], { kind: 'uniform', scale: 0.1, shift: 0.3 });
    }
  });
  norm('head.norm', dims[3]);
  add('head.fc.weight', [classes, dims[3]], weightOf(dims[3]));
  add('head.fc.bias', [classes], small);
  return list;
}

/** Parameters whose gradients are checked after the training step, from its first layer to its last. */
export const CHECKED_PARAMETERS = [
  'stem.0.weight',
  'stages.0.blocks.0.conv_dw.weight',
  'stages.0.blocks.0.norm.weight',
  'stages.1.downsample.1.weight',
  'stages.2.blocks.3.mlp.fc1.weight',
  'stages.2.blocks.3.gamma',
  'stages.3.blocks.1.mlp.fc2.bias',
  'head.fc.weight',
] as const;

export const WORKLOADS: readonly Workload[] = [
  product(512, 512, 512),
  product(1024, 96, 384),
  convolution('conv 3x3 N4 32→64 56x56', [4, 56, 32], [3, 64, 1, 1]),
  convolution('conv 4x4/4 N4 3→40 128x128', [4, 128, 3], [4, 40, 4, 0]),
  depthwise(4, 40, 32),
  depthwise(4, 96, 56),
  workload(
    'layernorm',
    'layernorm 12544x96',
    'layerNorm',
    [
      { name: 'x', shape: [12544, 96], fill: unit },
      { name: 'w', shape: [96], fill: nearOne },
      { name: 'b', shape: [96], fill: small },
    ],
    [12544, 96],
  ),
  workload(
    'bilinear',
    'bilinear x2 N4 C64 28→56',
    'bilinear',
    [{ name: 'x', shape: [4, 28, 28, 64], fill: unit }],
    [4, 56, 56, 64],
  ),
  workload(
    'cross-entropy',
    'softmax cross-entropy 4096x1000',
    'crossEntropy',
    [
      { name: 'x', shape: [4096, 1000], fill: unit },
      { name: 'labels', shape: [4096], fill: { kind: 'labels', below: 1000 } },
    ],
    [],
  ),
  workload('gelu', 'GELU 4x56x56x384', 'gelu', [{ name: 'x', shape: [4, 56, 56, 384], fill: unit }], [4, 56, 56, 384]),
  {
    key: 'convnext-atto-step',
    title: 'ConvNeXt-atto training step, 128x128, batch 8',
    kind: 'convnext',
    passes: ['step'],
    inputs: [
      { name: 'image', shape: [STEP.batch, STEP.size, STEP.size, 3], fill: unit },
      { name: 'labels', shape: [STEP.batch], fill: { kind: 'labels', below: STEP.classes } },
      ...convnextParameters(),
    ],
    differentiable: [],
    output: [],
    stride: 1,
    padding: 0,
  },
];

export type InputData = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** All inputs of a workload by name. Each is seeded by `<workload's key>/<name>`. */
export function makeInputs({ key, inputs }: Workload): Map<string, InputData> {
  return new Map(
    inputs.map(({ name, shape, fill }) => [
      name,
      makeInput(
        `${key}/${name}`,
        shape.reduce((count, extent) => count * extent, 1),
        fill,
      ),
    ]),
  );
}

/** `matmul 512x512x512, forward`. */
export function rowTitle(workload: Workload, pass: Pass): string {
  if (pass === 'step') return workload.title;
  return `${workload.title}, ${pass === 'forward' ? 'forward' : 'forward + backward'}`;
}
