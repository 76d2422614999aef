/** What calls of public functions are held against: kinds of arguments and options as data, and the one place that refuses what is of another. */
import { GmtlError, show } from './errors.ts';

const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0;
const isArrayOf = (value: unknown, test: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(test);
const isExtents = (value: unknown): boolean => (isCount(value) || isPair(value)) && ![value].flat().includes(0);
const isPair = (value: unknown): boolean => isArrayOf(value, isCount) && (value as unknown[]).length === 2;

/** The kinds of attribute: what they are called in messages, and what holds for them. */
const ATTRIBUTES = {
  flag: ['true or false', (value) => typeof value === 'boolean'],
  number: ['a finite number', (value) => Number.isFinite(value)],
  real: ['a number', (value) => typeof value === 'number'],
  numberOrNull: ['a finite number or null', (value) => value === null || Number.isFinite(value)],
  integer: ['a whole number', (value) => Number.isInteger(value)],
  count: ['a whole number, 0 or more', isCount],
  extent: ['a whole number above 0', (value) => isCount(value) && value !== 0],
  extents: ['a whole number above 0, or a pair of them', isExtents],
  probability: ['a number from 0 to 1', (value) => typeof value === 'number' && value >= 0 && value <= 1],
  pair: ['[along the height, along the width] in whole numbers, 0 or more', isPair],
  perAxis: ['a whole number, 0 or more, or a pair of them', (value) => isCount(value) || isPair(value)],
  integers: ['an array of whole numbers', (value) => isArrayOf(value, Number.isInteger)],
  reals: ['an array of numbers', (value) => isArrayOf(value, (item) => typeof item === 'number')],
  text: ['a text', (value) => typeof value === 'string'],
  path: ['the path of a file or folder, a text', (value) => typeof value === 'string' && value !== ''],
  paths: ['an array of paths', (value) => isArrayOf(value, (item) => typeof item === 'string')],
  bytes: ["a file's bytes, a Uint8Array, as readFile gives them", (value) => value instanceof Uint8Array],
  list: ['an array', (value) => Array.isArray(value)],
  map: ['a Map', (value) => value instanceof Map],
  call: ['a function', (value) => typeof value === 'function'],
  dtype: [
    'an element type, f32, f16, i32 or u32',
    (value) => (['f32', 'f16', 'i32', 'u32'] as unknown[]).includes(value),
  ],
  record: ['an object', (value) => typeof value === 'object' && value !== null],
  anything: ['anything', () => true],
  records: ['an array of records', (value) => isArrayOf(value, (item) => typeof item === 'object' && item !== null)],
} as const satisfies Readonly<Record<string, readonly [string, (value: unknown) => boolean]>>;

type AttributeName = keyof typeof ATTRIBUTES;

/**
 * The kind of an attribute, with `?` behind it where it may be left out; a class that it must be of; or the words it may be, which may always be
 * left out.
 */
export type AttributeKind =
  | AttributeName
  | `${AttributeName}?`
  | (abstract new (
      ...given: never[]
    ) => object)
  | readonly string[];

/** What an attribute of a kind is called, and whether a value is one. */
function ruleOf(kind: AttributeKind): readonly [string, (value: unknown) => boolean] {
  if (typeof kind === 'string') return ATTRIBUTES[kind.replace('?', '') as AttributeName];
  if (typeof kind === 'function') return [`a value of class ${kind.name}`, (value) => value instanceof kind];
  return [list(kind), (word) => kind.includes(word as string)];
}

const isRequired = (kind: AttributeKind): boolean =>
  typeof kind === 'string' ? !kind.endsWith('?') : typeof kind === 'function';

/** `a, b or c`. */
export function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** Throws `ops/attribute` unless options are an object at all: the 2 of `conv2d(x, weight, bias, 2)` would be taken for no options. */
export function requireOptions(op: string, given: unknown, names: readonly string[] = []): void {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return;
  const of = names.length > 0 ? ` of ${names.join(', ')}` : '';
  throw new GmtlError('ops/attribute', `${op}: the options are ${show(given)}; they are an object${of}`);
}

/** Throws `ops/attribute` for an attribute that the program does not have, lacks, or has of another kind. */
export function checkAttributes<A extends object>(
  op: string,
  declared: { readonly [Name in keyof A]-?: AttributeKind },
  given: A,
): void {
  const kinds = declared as Readonly<Record<string, AttributeKind>>;
  requireOptions(op, given, Object.keys(kinds));
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) {
      const known = Object.keys(kinds);
      const has = known.length > 0 ? `; it has ${known.join(', ')}` : ' and takes none';
      throw new GmtlError('ops/attribute', `${op} has no option ${name}${has}`);
    }
    const [what, holds] = ruleOf(kind);
    if (!holds(value)) throw new GmtlError('ops/attribute', `${op}: ${name} is ${show(value)}; it takes ${what}`);
  }
  for (const name in kinds) {
    const kind = kinds[name];
    if (isRequired(kind) && (given as Record<string, unknown>)[name] === undefined) {
      const [what] = ruleOf(kind);
      throw new GmtlError('ops/attribute', `${op}: ${name} is missing; it takes ${what}`);
    }
  }
}

/** Throws `ops/attribute` unless an argument has all `fields`, as what `maker`, a function or a literal, gives has. */
export function requireMade(
  op: string,
  argument: string,
  value: unknown,
  fields: readonly string[],
  maker: string,
): void {
  const lacking =
    typeof value === 'object' && value !== null
      ? fields.find((field) => (value as Record<string, unknown>)[field] == null)
      : '';
  if (lacking === undefined) return;
  const without = lacking === '' ? '' : ` without ${lacking}`;
  const wanted = /^\w[\w.]*$/.test(maker) ? `what ${maker} gives` : maker;
  throw new GmtlError('ops/attribute', `${op}: ${argument} is ${show(value)}${without}; it takes ${wanted}`);
}
