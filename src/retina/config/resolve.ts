/** Puts a configuration together: defaults < preset < configuration file < command line. Errors name the knob and where it was set. */
import { checkAttributes } from '../../engine/arguments.ts';
import { closest, distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { GmtlError } from '../../engine/errors.ts';
import { type TrainConfig, trainConfigSchema } from './schema.ts';
import { type PresetName, presets } from './presets.ts';
import { currentConfig, RENAMED_KNOBS } from './renamed.ts';

/** One documented knob. */
export interface ConfigKnob {
  /** Dotted path, as `--set` takes it. */
  readonly path: string;
  /** Type and limits in words, e.g. `integer, 32 or more`. */
  readonly type: string;
  /** Undefined for the parts of an alternative, which have no defaults. */
  readonly default: unknown;
  readonly description: string;
}

export interface ConfigSources {
  readonly preset?: string | undefined;
  /** A file's content, as `readConfigFile` gives it. */
  readonly file?: ConfigLayer | undefined;
  /** `section.knob=value` items of the command line; see {@link parseOverrides}. */
  readonly overrides?: readonly string[] | undefined;
}

/** Part of a configuration, not validated yet. */
export interface ConfigLayer {
  /** Where it comes from, for errors: a path, `the command line`. */
  readonly origin: string;
  readonly values: Tree;
}
type Tree = { [key: string]: unknown };
type JsonSchema = z.core.JSONSchema.BaseSchema;

const SOURCES = { preset: 'text?', file: 'record?', overrides: 'list?' } as const;

const jsonSchema: JsonSchema = z.toJSONSchema(trainConfigSchema, { io: 'input' });

/**
 * Merges all sources and validates the result. Objects merge key by key; lists and scalars are replaced whole.
 * @throws GmtlError `config/preset`, `config/override`, `config/unknown-key` or `config/invalid`; each message names the
 * knob and its source, and an unknown name comes with the nearest known one.
 */
export function resolveConfig(sources: ConfigSources): TrainConfig {
  checkAttributes('resolveConfig', SOURCES, sources);
  const layers: ConfigLayer[] = [];
  if (sources.preset !== undefined) layers.push(presetLayer(sources.preset));
  if (sources.file !== undefined) layers.push(sources.file);
  if (sources.overrides !== undefined)
    layers.push({ origin: 'the command line', values: parseOverrides(sources.overrides) });
  return mergeLayers(layers);
}

/**
 * Validates a complete or partial configuration that was stored (by a run, in a checkpoint's manifest). Names of earlier versions
 * become current ones. `origin` is named in errors.
 */
export function validateConfig(values: unknown, origin: string): TrainConfig {
  const current = currentConfig(values);
  if (!isTree(current)) throw new GmtlError('config/invalid', `${origin}: the configuration must be an object`);
  return mergeLayers([{ origin, values: current }]);
}

/** Throws `config/invalid` unless a configuration has every section, as {@link resolveConfig} gives them. */
export function requireConfig(what: string, config: unknown): void {
  const given: Tree = isTree(config) ? config : {};
  const lacking = Object.keys(trainConfigSchema.shape).filter((section) => given[section] === undefined);
  if (lacking.length === 0) return;
  throw new GmtlError(
    'config/invalid',
    `${what}: the configuration has no section ${lacking.join(', ')}; it takes what resolveConfig({ preset }) or RunFolder.config() gives`,
  );
}

/**
 * `["optimizer.lr=1e-3", "model.trunk=tiny"]` → a tree. Values are JSON where they parse as JSON, else plain text.
 * @throws GmtlError `config/override` for an item without a name or `=`.
 */
export function parseOverrides(items: readonly string[]): Tree {
  const tree: Tree = {};
  for (const item of items) {
    const [, path, text] = /^([A-Za-z][\w.]*)=(.*)$/s.exec(item) ?? [];
    if (path === undefined) {
      throw new GmtlError(
        'config/override',
        `setting ${JSON.stringify(item)}: write it as section.knob=value, e.g. optimizer.lr=0.001`,
      );
    }
    const keys = path.split('.');
    const nested = keys.reduceRight<unknown>((value, key) => ({ [key]: value }), parseValue(text));
    merge(tree, nested as Tree);
  }
  return tree;
}

/** Every knob with its type, default and description, in the schema's order. */
export function describeConfig(): ConfigKnob[] {
  const defaults: unknown = trainConfigSchema.parse({});
  const knobs: ConfigKnob[] = [];
  const visit = (schema: JsonSchema, path: string, value: unknown): void => {
    const { properties } = schema;
    if (properties !== undefined) {
      for (const [key, child] of Object.entries(properties)) {
        visit(child as JsonSchema, path === '' ? key : `${path}.${key}`, isTree(value) ? value[key] : undefined);
      }
      return;
    }
    knobs.push({ path, type: typeInWords(schema), default: value, description: schema.description ?? '' });
    const nested = schema.anyOf?.find((option) => (option as JsonSchema).properties !== undefined);
    if (nested !== undefined) visit(nested as JsonSchema, path, undefined);
  };
  visit(jsonSchema, '', defaults);
  return knobs;
}

function mergeLayers(layers: readonly ConfigLayer[]): TrainConfig {
  const merged: Tree = {};
  for (const layer of layers) {
    const unknown = unknownKeys(layer.values, jsonSchema, '', layer.origin);
    if (unknown.length > 0) throw new GmtlError('config/unknown-key', unknown.join('\n  '));
    merge(merged, layer.values);
  }
  const result = trainConfigSchema.safeParse(merged);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    const path = issue.path.map(String);
    const value = valueAt(merged, path);
    const origin = layers.findLast((layer) => valueAt(layer.values, path) !== undefined)?.origin ?? 'the defaults';
    // JSON has no infinity, which 1e999 is read as.
    const given = value === undefined ? '' : ` = ${typeof value === 'number' ? value : JSON.stringify(value)}`;
    return `${path.join('.')}${given} (from ${origin}): ${issueInWords(issue, path.join('.'))}`;
  });
  throw new GmtlError('config/invalid', `the configuration is not valid:\n  ${problems.join('\n  ')}`);
}

function issueInWords(issue: z.core.$ZodIssue, path: string): string {
  // A union's own message is only "invalid input": name what the knob takes.
  const knob =
    issue.code === 'invalid_union' ? describeConfig().find((candidate) => candidate.path === path) : undefined;
  return knob === undefined ? issue.message : `expected ${knob.type}`;
}

/** What is wrong with the names in a layer, one sentence for each unknown one. */
function unknownKeys(values: Tree, schema: JsonSchema, path: string, origin: string): string[] {
  const properties =
    schema.properties ??
    (schema.anyOf?.find((option) => (option as JsonSchema).properties) as JsonSchema | undefined)?.properties;
  if (properties === undefined) return [];
  return Object.entries(values).flatMap(([key, value]) => {
    const full = path === '' ? key : `${path}.${key}`;
    if (!Object.hasOwn(properties, key)) return unknownKey(full, key, Object.keys(properties), path, origin);
    return isTree(value) ? unknownKeys(value, properties[key] as JsonSchema, full, origin) : [];
  });
}

function unknownKey(full: string, key: string, siblings: readonly string[], path: string, origin: string): string {
  if (Object.hasOwn(RENAMED_KNOBS, full)) return `"${full}" (from ${origin}) is called "${RENAMED_KNOBS[full]}" now.`;
  // A knob given without its section, or in the wrong one, is found by the last part of its name.
  const elsewhere = describeConfig().find((knob) => knob.path.split('.').at(-1) === key)?.path;
  const nearest = closest(key, [...siblings]);
  const near = distance(key.toLowerCase(), nearest.toLowerCase()) <= Math.max(2, key.length / 3);
  const suggestion = elsewhere ?? (near ? (path === '' ? nearest : `${path}.${nearest}`) : undefined);
  const advice = suggestion === undefined ? `Known here: ${siblings.join(', ')}.` : `Did you mean "${suggestion}"?`;
  return `unknown setting "${full}" (from ${origin}). ${advice}`;
}

function presetLayer(name: string): ConfigLayer {
  if (!Object.hasOwn(presets, name)) {
    const names = Object.keys(presets);
    throw new GmtlError(
      'config/preset',
      `unknown preset "${name}". Did you mean "${closest(name, names)}"? Known: ${names.join(', ')}.`,
    );
  }
  return { origin: `preset ${name}`, values: structuredClone(presets[name as PresetName].config) as Tree };
}

function merge(target: Tree, source: Tree): void {
  for (const [key, value] of Object.entries(source)) {
    const present = Object.hasOwn(target, key) ? target[key] : undefined;
    if (isTree(value)) {
      const child: Tree = isTree(present) ? present : {};
      merge(child, value);
      setOwn(target, key, child);
    } else {
      setOwn(target, key, value);
    }
  }
}

/** Plain assignment would follow a `__proto__` from a JSON file. */
function setOwn(target: Tree, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function valueAt(tree: unknown, path: readonly string[]): unknown {
  let value = tree;
  for (const key of path) value = typeof value === 'object' && value !== null ? (value as Tree)[key] : undefined;
  return value;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeInWords(schema: JsonSchema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map((option) => typeInWords(option as JsonSchema)).join(', or ');
  if (schema.enum !== undefined) return schema.enum.join(' | ');
  if (schema.properties !== undefined) return `{${Object.keys(schema.properties).join(', ')}}`;
  if (schema.type === 'array') {
    if (schema.prefixItems !== undefined)
      return `[${schema.prefixItems.map((item) => typeInWords(item as JsonSchema)).join('; ')}]`;
    if (schema.minItems === schema.maxItems) return `list of ${schema.minItems} numbers`;
    return `list of ${schema.minItems} or more: ${typeInWords(schema.items as JsonSchema)}`;
  }
  const limits: string[] = [];
  if (schema.minimum !== undefined && schema.minimum > Number.MIN_SAFE_INTEGER)
    limits.push(`${schema.minimum} or more`);
  if (schema.exclusiveMinimum !== undefined) limits.push(`above ${schema.exclusiveMinimum}`);
  if (schema.maximum !== undefined && schema.maximum < Number.MAX_SAFE_INTEGER)
    limits.push(`${schema.maximum} or less`);
  if (schema.exclusiveMaximum !== undefined) limits.push(`below ${schema.exclusiveMaximum}`);
  return [schema.type ?? 'any', ...limits].join(', ');
}
