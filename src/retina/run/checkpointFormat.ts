/** The manifest of a checkpoint: its fields, and reading it. */
import { z } from 'zod';
import { GmtlError } from '../../engine/errors.ts';
import { problemsOf } from './storedJson.ts';

/** Raised when a manifest changes in a way older readers would misread. */
export const CHECKPOINT_FORMAT_VERSION = 1;

/** What JSON can hold. Numbers must be finite: JSON has no NaN, and a silent null would hide one. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

const jsonValueSchema: z.ZodType<JsonValue> = z.json();

const fileSchema = z.object({
  /** Name within the manifest's folder. */
  name: z.string().regex(/^[^/\\]+\.safetensors$/),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const manifestSchema = z.object({
  format: z.literal('gmtl-checkpoint'),
  formatVersion: z.int().positive(),
  gmtlVersion: z.string(),
  name: z.string(),
  createdAt: z.string(),
  /** Optimizer steps done. */
  step: z.int().nonnegative(),
  /** Epochs completed. */
  epoch: z.int().nonnegative(),
  config: jsonValueSchema,
  /** Metrics by name; NaN and infinities are the strings "NaN", "Infinity", "-Infinity". */
  metrics: z.record(z.string(), z.union([z.number(), z.literal(['NaN', 'Infinity', '-Infinity'])])),
  /** Where the data order stands (the sampler's own record). */
  sampler: jsonValueSchema,
  /** State of every random stream. */
  random: jsonValueSchema,
  files: z.object({ weights: fileSchema, ema: fileSchema.optional(), state: fileSchema.optional() }),
});

export type CheckpointManifest = z.infer<typeof manifestSchema>;
export type CheckpointFile = z.infer<typeof fileSchema>;
/** `weights`: the model; `ema`: its averaged copy; `state`: optimizer moments and whatever else resuming needs. */
export type CheckpointRole = keyof CheckpointManifest['files'];

/** What to do without a checkpoint: `--resume` takes the run's last one alone. */
const ANOTHER =
  'Restore it from a copy, or take another of the same folder: gmtl infer --run FILE predicts with it, gmtl train --init FILE begins a new training.';

/** Parses a manifest. @throws GmtlError `checkpoint/invalid` or `checkpoint/too-new`. */
export function parseManifest(text: string, path: string): CheckpointManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new GmtlError('checkpoint/invalid', `${path}: no valid JSON (${(cause as Error).message}). ${ANOTHER}`, {
      cause,
    });
  }
  if (typeof value !== 'object' || value === null || !('format' in value) || value.format !== 'gmtl-checkpoint') {
    throw new GmtlError(
      'checkpoint/invalid',
      `${path}: a JSON file, but no checkpoint manifest of gmtl. Give a run folder or <run>/checkpoints/last.json.`,
    );
  }
  if (
    'formatVersion' in value &&
    typeof value.formatVersion === 'number' &&
    value.formatVersion > CHECKPOINT_FORMAT_VERSION
  ) {
    throw new GmtlError(
      'checkpoint/too-new',
      `${path}: written in checkpoint format ${value.formatVersion}, this gmtl reads up to ${CHECKPOINT_FORMAT_VERSION}. Update gmtl.`,
    );
  }
  const result = manifestSchema.safeParse(value);
  if (!result.success) {
    throw new GmtlError(
      'checkpoint/invalid',
      `${path}: a damaged checkpoint manifest (${problemsOf(result.error)}). ${ANOTHER}`,
    );
  }
  return result.data;
}

/** Numbers as JSON can hold them: non-finite ones become their names. */
export function encodeMetric(value: number): CheckpointManifest['metrics'][string] {
  return Number.isFinite(value) ? value : (String(value) as 'NaN' | 'Infinity' | '-Infinity');
}

/** The opposite of {@link encodeMetric}. */
export function decodeMetric(value: CheckpointManifest['metrics'][string]): number {
  return Number(value);
}

/** @throws GmtlError `checkpoint/invalid` naming the first place in `value` that JSON would lose (NaN, undefined, a bigint, a Map …). */
export function requireJson(value: unknown, where: string): asserts value is JsonValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
  if (typeof value === 'number' && Number.isFinite(value)) return;
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
      requireJson(item, `${where}[${index}]`);
    });
    return;
  }
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    for (const [key, item] of Object.entries(value)) requireJson(item, `${where}.${key}`);
    return;
  }
  throw new GmtlError(
    'checkpoint/invalid',
    `checkpoint ${where}: ${typeof value} ${String(value)} cannot be stored as JSON`,
  );
}
