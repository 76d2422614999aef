/** What a program may be given, as data: the element types of its inputs and the kinds of its attributes. The one place that holds inputs against it. */
import { type AttributeKind, list } from '../arguments.ts';
import { GmtlError } from '../errors.ts';
import type { DType, TensorSpec } from '../tensor/spec.ts';

interface Kind {
  /** Types that the kernels read. */
  readonly takes: readonly DType[];
  /** Types that are cast to one of those, as PyTorch casts them. */
  readonly casts: readonly DType[];
  /** Whether all inputs of this kind in a call have one type. */
  readonly alike?: boolean;
}

const FLOATS = ['f32', 'f16'] as const;
const INTEGERS = ['i32', 'u32'] as const;
const WORDS = ['f32', ...INTEGERS] as const;

/** The kinds of input. */
const KINDS = {
  /** What the kernels read in either floating-point format: activations, and the weights of products. */
  activation: { takes: FLOATS, casts: [], alike: true },
  /** As activation; integers become floats, and of two formats the wider one is taken (PyTorch's type promotion). */
  promoted: { takes: FLOATS, casts: INTEGERS, alike: true },
  /** As promoted, but of integers alone PyTorch's result would be an integer, which the kernels do not compute. */
  arithmetic: { takes: FLOATS, casts: INTEGERS, alike: true },
  /** Either floating-point format, whatever the others have. */
  float: { takes: FLOATS, casts: [] },
  /** Computed in float32 alone: float16 is cast on the way in, as torch.autocast does with losses and norms. */
  float32: { takes: ['f32'], casts: ['f16'] },
  /** Targets in [0, 1]: as float32, and whole numbers are as good. */
  target: { takes: ['f32'], casts: ['f16', ...INTEGERS] },
  /** Class indices. */
  label: { takes: ['i32'], casts: [] },
  /** Seeds and streams of random numbers. */
  seed: { takes: ['u32'], casts: [] },
  /** Elements that are moved, not computed with. */
  any: { takes: [...FLOATS, ...INTEGERS], casts: [], alike: true },
  /** Elements of 32 bits. */
  word: { takes: WORDS, casts: [] },
} as const satisfies Readonly<Record<string, Kind>>;

export type InputKind = keyof typeof KINDS;

/**
 * The kind of each input by its name, in order. A name that ends in `?` may be left out; one that ends in `*` stands for
 * any number of inputs, and is the last.
 */
export type InputKinds = Readonly<Record<string, InputKind>>;

/** What a program may be given. */
export interface Signature<A extends object = object> {
  readonly inputs: InputKinds;
  /** Every attribute that there is; others are refused. */
  readonly attributes: { readonly [Name in keyof A]-?: AttributeKind };
}

interface DeclaredInput {
  readonly name: string;
  readonly kind: InputKind;
}

interface Layout {
  readonly inputs: readonly DeclaredInput[];
  readonly fewest: number;
  readonly open: boolean;
}

const layouts = new WeakMap<InputKinds, Layout>();

function layoutOf(kinds: InputKinds): Layout {
  let layout = layouts.get(kinds);
  if (!layout) {
    const names = Object.keys(kinds);
    const inputs = names.map((name) => ({ name: name.replace(/[?*]$/, ''), kind: kinds[name] }));
    const fewest = names.filter((name) => !name.endsWith('?')).length;
    layout = { inputs, fewest, open: names.at(-1)?.endsWith('*') ?? false };
    layouts.set(kinds, layout);
  }
  return layout;
}

/** What input `index` of a call is called and may be. */
export function declaredInput(kinds: InputKinds, index: number): { readonly name: string; readonly kind: InputKind } {
  const { inputs } = layoutOf(kinds);
  return inputs[Math.min(index, inputs.length - 1)];
}

/** Whether input `index` may be float16 without a cast. */
export function takesHalf(kinds: InputKinds, index: number): boolean {
  return (KINDS[declaredInput(kinds, index).kind].takes as readonly DType[]).includes('f16');
}

/** Throws `ops/inputs` unless a call has as many inputs as the program takes. */
export function checkCount(op: string, kinds: InputKinds, count: number): void {
  const { inputs, fewest, open } = layoutOf(kinds);
  if (count >= fewest && (open || count <= inputs.length)) return;
  const names = Object.keys(kinds).join(', ') || 'nothing';
  throw new GmtlError('ops/inputs', `${op} takes ${names}; it was given ${count} ${count === 1 ? 'input' : 'inputs'}`);
}

/**
 * The type that each input is to be cast to before the program can run, null for those that stay; null where all stay.
 * @throws GmtlError `tensor/dtype` that names the op, the input, what it is and what it may be.
 */
export function castsFor(op: string, kinds: InputKinds, types: readonly DType[]): (DType | null)[] | null {
  const { inputs } = layoutOf(kinds);
  const casts = types.map((type, index): DType | null => {
    const { name, kind } = inputs[Math.min(index, inputs.length - 1)];
    const { takes, casts: castable }: Kind = KINDS[kind];
    if (takes.includes(type)) return null;
    if (castable.includes(type)) return 'f32';
    const advice = takes.includes('f32') ? ": convert it with cast('f32')" : `: make it with { dtype: '${takes[0]}' }`;
    throw new GmtlError('tensor/dtype', `${op}: input ${name} is ${type}; it takes ${list(takes)}${advice}`);
  });
  const alike = types.flatMap((_, index) => {
    const declared = inputs[Math.min(index, inputs.length - 1)];
    return (KINDS[declared.kind] as Kind).alike ? [{ ...declared, index }] : [];
  });
  if (alike.length > 1 || casts[alike[0]?.index] != null) unify(op, alike, types, casts);
  return casts.some((cast) => cast !== null) ? casts : null;
}

/** Gives inputs that must be alike one type, or throws. */
function unify(
  op: string,
  alike: readonly (DeclaredInput & { readonly index: number })[],
  types: readonly DType[],
  casts: (DType | null)[],
): void {
  const [{ index: first, kind }] = alike;
  if (alike.every(({ index }) => types[index] === types[first]) && casts[first] === null) return;
  const described = alike.map(({ name, index }) => `${name} is ${types[index]}`).join(', ');
  if (kind === 'activation' || kind === 'any') {
    throw new GmtlError('tensor/dtype', `${op}: ${described}; cast them to one type`);
  }
  const floats = alike.flatMap(({ index }) => (casts[index] === null ? [types[index]] : []));
  if (floats.length === 0 && kind === 'arithmetic') {
    throw new GmtlError(
      'tensor/dtype',
      `${op}: ${described}; it takes f32 or f16, and integers only beside those: convert one with cast('f32')`,
    );
  }
  const common: DType = floats.length > 0 && floats.every((type) => type === 'f16') ? 'f16' : 'f32';
  for (const { index } of alike) casts[index] = types[index] === common ? null : common;
}

/**
 * As `castsFor`, for inputs that are used as they are, since a cast copy would take what is written: those of `indices`, all where left out.
 * What would have to be cast is refused.
 */
export function requireTypes(
  op: string,
  kinds: InputKinds,
  specs: readonly TensorSpec[],
  indices: readonly number[] = specs.map((_, index) => index),
): void {
  const types = specs.map(({ dtype }) => dtype);
  const casts = castsFor(op, kinds, types);
  if (!casts) return;
  for (const index of indices) {
    const cast = casts[index];
    if (cast === null || cast === undefined) continue;
    const { name } = declaredInput(kinds, index);
    throw new GmtlError('tensor/dtype', `${op}: input ${name} is ${types[index]}, but is used in place as ${cast}`);
  }
}
