/**
 * A trained network in one folder, as `gmtl export --format web` writes it and a browser reads it: weights, configuration, calibration and
 * model card, each with its length and SHA-256 in `model.json`. Nothing here knows files: whoever reads brings the bytes.
 */
import { z } from 'zod';
import { GmtlError } from '../../engine/errors.ts';
import { decodeSafetensors, type StoredTensors } from '../../engine/io/safetensors.ts';
import { validateConfig } from '../config/resolve.ts';
import type { TrainConfig } from '../config/schema.ts';
import { type Calibration, calibrationSchema } from './calibrationFormat.ts';
import { type TrainingSet, trainingSetSchema } from './trainingSetFormat.ts';

/** The file that names the others. */
export const MODEL_MANIFEST = 'model.json';

const MODEL_FILES = {
  weights: 'model.safetensors',
  config: 'config.json',
  calibration: 'calibration.json',
  trainingSet: 'training-set.json',
  card: 'card.json',
} as const;

const FORMAT = 'gmtl-model';
const VERSION = 1;

const fileSchema = z.object({ name: z.string(), bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const manifestSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  /** Version of gmtl that wrote it. */
  gmtl: z.string(),
  created: z.string(),
  /** Name of the run. */
  name: z.string(),
  step: z.int().nullable(),
  averaged: z.boolean(),
  parameters: z.int(),
  files: z.object({
    weights: fileSchema,
    config: fileSchema,
    calibration: fileSchema.nullable(),
    /** Exports of before version 0.2 have none. */
    trainingSet: fileSchema.nullable().default(null),
    card: fileSchema,
  }),
});
type Manifest = z.infer<typeof manifestSchema>;
type StoredFile = z.infer<typeof fileSchema>;

const cardSchema = z.object({
  description: z.string(),
  intendedUse: z.string(),
  notIntendedFor: z.string(),
  trainingData: z.string(),
  limits: z.array(z.string()),
  licence: z.string(),
  references: z.array(z.object({ text: z.string(), url: z.string().optional() })),
  /** Figures on the test split: name, value, and what they were computed on. */
  figures: z.array(z.object({ name: z.string(), value: z.number(), cases: z.number() })),
});

/** The model card, with figures where the run has some. */
export type ModelFolderCard = z.infer<typeof cardSchema>;

/** What the manifest says, apart from its files. */
export type ModelFacts = Pick<Manifest, 'gmtl' | 'name' | 'step' | 'averaged' | 'parameters'>;

/** What a model folder is made from. */
export interface ModelContent {
  readonly facts: ModelFacts;
  readonly created: string;
  readonly config: TrainConfig;
  readonly calibration: Calibration | null;
  /** What it was trained on; null where that is not recorded. */
  readonly trainingSet: TrainingSet | null;
  readonly card: ModelFolderCard;
  /** The weights as a safetensors file. */
  readonly weights: Uint8Array;
}

/** A model that was read and is whole. */
export interface LoadedModel {
  readonly facts: ModelFacts;
  readonly config: TrainConfig;
  readonly calibration: Calibration | null;
  /** What it was trained on; null where that is not recorded. */
  readonly trainingSet: TrainingSet | null;
  readonly card: ModelFolderCard;
  readonly weights: StoredTensors;
}

/** SHA-256 as hexadecimal digits. */
async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The files of a model folder by name, its manifest last: a folder without one is not a model. */
export async function packModel(content: ModelContent): Promise<Map<string, Uint8Array>> {
  const json = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
  const files = new Map<string, Uint8Array>();
  const store = async (name: string, bytes: Uint8Array): Promise<StoredFile> => {
    files.set(name, bytes);
    return { name, bytes: bytes.length, sha256: await sha256(bytes) };
  };
  const { facts, created, calibration, trainingSet } = content;
  const manifest: Manifest = {
    ...{ format: FORMAT, version: VERSION, ...facts, created },
    files: {
      weights: await store(MODEL_FILES.weights, content.weights),
      config: await store(MODEL_FILES.config, json(content.config)),
      calibration: calibration && (await store(MODEL_FILES.calibration, json(calibration))),
      trainingSet: trainingSet && (await store(MODEL_FILES.trainingSet, json(trainingSet))),
      card: await store(MODEL_FILES.card, json(content.card)),
    },
  };
  files.set(MODEL_MANIFEST, json(manifest));
  return files;
}

/**
 * Reads a model folder and checks every file's length and SHA-256.
 *
 * @param read gives a file of the folder; null where there is none. Only names without a path are asked for.
 * @param onFile called before each file is read, with its share of all bytes.
 * @throws GmtlError `model/foreign` where the folder is not such a model or was written by a later version, `model/damaged` where a file is
 * missing, cut or changed; both say what to do.
 */
export async function unpackModel(
  read: (name: string) => Promise<Uint8Array | null>,
  onFile?: (name: string, bytes: number) => void,
): Promise<LoadedModel> {
  const manifest = parseManifest(await read(MODEL_MANIFEST));
  const { files, gmtl, name, step, averaged, parameters } = manifest;
  const load = async (file: StoredFile): Promise<Uint8Array> => {
    onFile?.(file.name, file.bytes);
    const bytes = /[/\\]/.test(file.name) ? null : await read(file.name);
    if (bytes === null) throw damaged(file.name, 'is missing');
    if (bytes.length !== file.bytes) {
      throw damaged(file.name, `has ${bytes.length} bytes where ${file.bytes} were written`);
    }
    if ((await sha256(bytes)) !== file.sha256)
      throw damaged(file.name, 'is not what was written: its checksum differs');
    return bytes;
  };
  const parsed = async <T>(file: StoredFile, parse: (value: unknown) => T): Promise<T> => {
    const text = new TextDecoder().decode(await load(file));
    try {
      return parse(JSON.parse(text));
    } catch (cause) {
      if (cause instanceof GmtlError) throw cause;
      throw damaged(file.name, `does not hold what it should (${(cause as Error).message})`, cause);
    }
  };
  const config = await parsed(files.config, (value) => validateConfig(value, files.config.name));
  const calibration = files.calibration && (await parsed(files.calibration, (value) => calibrationSchema.parse(value)));
  const trainingSet = files.trainingSet && (await parsed(files.trainingSet, (value) => trainingSetSchema.parse(value)));
  const card = await parsed(files.card, (value) => cardSchema.parse(value));
  const { tensors } = decodeSafetensors(await load(files.weights), files.weights.name);
  return {
    ...{ facts: { gmtl, name, step, averaged, parameters }, config, calibration, trainingSet, card },
    weights: tensors,
  };
}

function parseManifest(bytes: Uint8Array | null): Manifest {
  const advice = 'Make one from a trained run with: npx gmtl export RUN --format web';
  if (bytes === null) {
    throw new GmtlError('model/foreign', `There is no model here: no file ${MODEL_MANIFEST}. ${advice}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw damaged(MODEL_MANIFEST, `is not JSON (${(cause as Error).message})`, cause);
  }
  const result = manifestSchema.safeParse(value);
  if (result.success) return result.data;
  const { format, version } = (value ?? {}) as { format?: unknown; version?: unknown };
  if (format !== FORMAT) {
    throw new GmtlError('model/foreign', `${MODEL_MANIFEST} is not that of a model of gmtl. ${advice}`, {
      cause: result.error,
    });
  }
  if (version !== VERSION) {
    throw new GmtlError(
      'model/foreign',
      `This model has version ${String(version)} of the format, and version ${VERSION} is read here. Export it again with this gmtl.`,
    );
  }
  throw damaged(MODEL_MANIFEST, `does not hold what it should (${result.error.message})`, result.error);
}

function damaged(file: string, what: string, cause?: unknown): GmtlError {
  return new GmtlError(
    'model/damaged',
    `The model is damaged: ${file} ${what}. Copy the folder again, or export it anew (npx gmtl export RUN --format web).`,
    { cause },
  );
}
