/**
 * Checkpoints that survive a kill at any instant. Data files get names of their own (step and content hash), so writing them never touches
 * the checkpoint in force; renaming the manifest over the old one switches to them; only then do the old files go.
 */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import {
  errorCode,
  type FileOperations,
  nodeFileOperations,
  removeStaleTemporaryFiles,
  writeFileAtomic,
} from '../../engine/node/atomic.ts';
import { decodeSafetensors, encodeSafetensors, type StoredTensors } from '../../engine/io/safetensors.ts';
import { readBytes } from '../../engine/node/safetensorsFile.ts';
import {
  CHECKPOINT_FORMAT_VERSION,
  type CheckpointFile,
  type CheckpointManifest,
  type CheckpointRole,
  encodeMetric,
  type JsonValue,
  parseManifest,
  requireJson,
} from './checkpointFormat.ts';
import { gmtlVersion } from '../../engine/node/version.ts';
import { RUN_FILES } from './fileNames.ts';

/** Everything a checkpoint holds. Tensors must not change until the save has resolved. */
export interface CheckpointPayload {
  /** Model parameters and buffers under the names PyTorch code knows, in PyTorch layouts. */
  readonly weights: StoredTensors;
  /** Averaged parameters, same names. */
  readonly ema?: StoredTensors;
  /** Optimizer moments and the like. */
  readonly state?: StoredTensors;
  /** Optimizer steps done. */
  readonly step: number;
  /** Epochs completed. */
  readonly epoch: number;
  readonly config: JsonValue;
  /** May hold NaN and infinities. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly sampler: JsonValue;
  readonly random: JsonValue;
}

export interface LoadedCheckpoint {
  /** The manifest, or undefined when a bare .safetensors file was loaded. */
  readonly manifest: CheckpointManifest | undefined;
  /** The file that was asked for: manifest or weights. */
  readonly path: string;
  readonly weights: StoredTensors;
  readonly ema: StoredTensors | undefined;
  readonly state: StoredTensors | undefined;
}

export interface LoadOptions {
  /** Which checkpoint of a folder. Default `last`. */
  readonly name?: string;
  /** Roles to read besides `weights`. Default: all that exist; evaluation needs no optimizer state. */
  readonly roles?: readonly CheckpointRole[];
}

const DATA_FILE = /^(.+)-step\d{8,}-[0-9a-f]{12}(\.ema|\.state)?\.safetensors$/;
const SUFFIX: Record<CheckpointRole, string> = { weights: '', ema: '.ema', state: '.state' };
/** The folder of a run that holds its checkpoints. */
export const checkpointFolder = (runFolder: string): string => join(runFolder, RUN_FILES.checkpoints);

/**
 * Writes `<folder>/<name>.json` and its data files, replacing the checkpoint of that name. A crash at any point leaves either the old or
 * the new one whole. Flush the logs before: resuming expects every row up to the step.
 *
 * @param folder the checkpoints folder itself (`<run>/checkpoints`); created when missing.
 * @param name usually `last` or `best`.
 * @throws GmtlError as {@link writeFileAtomic}; the old checkpoint is then still in force and the new files are gone.
 */
export async function saveCheckpoint(
  folder: string,
  name: string,
  payload: CheckpointPayload,
  files: FileOperations = nodeFileOperations,
): Promise<CheckpointManifest> {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) {
    throw new GmtlError(
      'checkpoint/name',
      `checkpoint name ${JSON.stringify(name)}: use letters, digits, "_", "." and "-"`,
    );
  }
  const { manifest, contents } = describeCheckpoint(name, payload);
  await files.makeFolder(folder);
  const older = await dataFilesOf(folder, name);
  try {
    for (const [file, bytes] of contents) await writeFileAtomic(join(folder, file), bytes, files);
    await writeFileAtomic(join(folder, `${name}.json`), `${JSON.stringify(manifest, null, 2)}\n`, files);
  } catch (error) {
    // A full disk is the usual cause: give back what this attempt took. The old checkpoint may share a file of equal content.
    for (const file of contents.keys()) if (!older.includes(file)) await removeQuietly(join(folder, file), files);
    throw error;
  }
  for (const file of older) if (!contents.has(file)) await removeQuietly(join(folder, file), files);
  return manifest;
}

export interface DescribedCheckpoint {
  readonly manifest: CheckpointManifest;
  /** The data files by name. */
  readonly contents: ReadonlyMap<string, Uint8Array>;
}

/** Encodes a checkpoint: its manifest, and its data files under names made of step and content. */
export function describeCheckpoint(name: string, payload: CheckpointPayload): DescribedCheckpoint {
  const { config, sampler, random, step, epoch } = payload;
  requireJson(config, 'config');
  requireJson(sampler, 'sampler');
  requireJson(random, 'random');

  const contents = new Map<string, Uint8Array>();
  const describe = (role: CheckpointRole, tensors: StoredTensors): CheckpointFile => {
    const bytes = encodeSafetensors(tensors, {
      format: 'pt',
      gmtl: gmtlVersion(),
      role,
      step: String(step),
      epoch: String(epoch),
    });
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const stamp = `step${String(step).padStart(8, '0')}-${sha256.slice(0, 12)}`;
    const file = { name: `${name}-${stamp}${SUFFIX[role]}.safetensors`, bytes: bytes.length, sha256 };
    contents.set(file.name, bytes);
    return file;
  };
  const manifest: CheckpointManifest = {
    format: 'gmtl-checkpoint',
    formatVersion: CHECKPOINT_FORMAT_VERSION,
    gmtlVersion: gmtlVersion(),
    name,
    createdAt: new Date().toISOString(),
    step,
    epoch,
    config,
    metrics: Object.fromEntries(Object.entries(payload.metrics).map(([key, value]) => [key, encodeMetric(value)])),
    sampler,
    random,
    files: {
      weights: describe('weights', payload.weights),
      ...(payload.ema && { ema: describe('ema', payload.ema) }),
      ...(payload.state && { state: describe('state', payload.state) }),
    },
  };
  return { manifest, contents };
}

/**
 * Loads and verifies a checkpoint.
 * @param path a run folder, its checkpoints folder, a manifest (.json) or a bare .safetensors file with weights.
 * @throws GmtlError `checkpoint/not-found`, `checkpoint/invalid` (a size or SHA-256 differs), `checkpoint/too-new`, or as
 * {@link decodeSafetensors}.
 */
export async function loadCheckpoint(path: string, options: LoadOptions = {}): Promise<LoadedCheckpoint> {
  const target = await resolveTarget(path, options.name ?? 'last');
  if (!target.endsWith('.json')) {
    const { tensors } = decodeSafetensors(await readBytes(target), target);
    return { manifest: undefined, path: target, weights: tensors, ema: undefined, state: undefined };
  }
  for (let attempt = 1; ; attempt++) {
    const text = await readText(target);
    try {
      return await readAll(target, parseManifest(text, target), options.roles);
    } catch (error) {
      // A training process may have replaced the checkpoint between our reading the manifest and its files.
      const replaced = error instanceof GmtlError && error.code === 'io/not-found' && (await readText(target)) !== text;
      if (!replaced || attempt === 5) throw error;
    }
  }
}

/**
 * To be called once at the start of training, holding the run's lock: removes temporary files and data files no manifest names, both left
 * by a killed process. A folder that does not exist is fine.
 * @returns the names removed.
 */
export async function cleanCheckpoints(folder: string, files: FileOperations = nodeFileOperations): Promise<string[]> {
  const removed = await removeStaleTemporaryFiles(folder, files);
  const names = await listFolder(folder);
  const used = new Set<string>();
  for (const name of names.filter((candidate) => candidate.endsWith('.json'))) {
    try {
      const manifest = parseManifest(await readText(join(folder, name)), join(folder, name));
      for (const file of Object.values(manifest.files)) used.add(file.name);
    } catch (error) {
      // What an unreadable manifest names is unknown: keep every data file for its owner to look at.
      if (error instanceof GmtlError) return removed;
      throw error;
    }
  }
  for (const name of names.filter((candidate) => DATA_FILE.test(candidate) && !used.has(candidate))) {
    await files.unlink(join(folder, name));
    removed.push(name);
  }
  return removed;
}

async function readAll(
  path: string,
  manifest: CheckpointManifest,
  roles: readonly CheckpointRole[] = ['ema', 'state'],
): Promise<LoadedCheckpoint> {
  const read = async (role: CheckpointRole): Promise<StoredTensors | undefined> => {
    const file = manifest.files[role];
    if (file === undefined || (role !== 'weights' && !roles.includes(role))) return undefined;
    return readVerified(join(dirname(path), file.name), file);
  };
  const weights = await readVerified(join(dirname(path), manifest.files.weights.name), manifest.files.weights);
  return { manifest, path, weights, ema: await read('ema'), state: await read('state') };
}

async function readVerified(path: string, file: CheckpointFile): Promise<StoredTensors> {
  const bytes = await readBytes(path);
  const problem =
    bytes.length !== file.bytes
      ? `has ${bytes.length} bytes, its manifest says ${file.bytes}`
      : createHash('sha256').update(bytes).digest('hex') !== file.sha256
        ? 'has another SHA-256 than its manifest says'
        : undefined;
  if (problem !== undefined) {
    const advice = 'It was changed or damaged after it was written: use another checkpoint, or copy this one again.';
    throw new GmtlError('checkpoint/invalid', `${path}: ${problem}. ${advice}`);
  }
  return decodeSafetensors(bytes, path).tensors;
}

async function resolveTarget(path: string, name: string): Promise<string> {
  const kind = await stat(path).catch((error: unknown) => {
    if (errorCode(error) === undefined) throw error;
    throw new GmtlError(
      'checkpoint/not-found',
      `${path}: no such file or folder. Give a run folder, a manifest (.json) or a .safetensors file.`,
    );
  });
  if (!kind.isDirectory()) return path;
  const inner = checkpointFolder(path);
  for (const folder of [inner, path]) {
    const names = await listFolder(folder);
    if (names.includes(`${name}.json`)) return join(folder, `${name}.json`);
    const others = names.filter(
      (candidate) =>
        /^best-\d+\.json$/.test(candidate) || names.some((data) => `${DATA_FILE.exec(data)?.[1]}.json` === candidate),
    );
    if (others.length > 0) {
      throw new GmtlError(
        'checkpoint/not-found',
        `${folder}: no checkpoint named "${name}"; it has ${others.join(', ')}.`,
      );
    }
  }
  throw new GmtlError(
    'checkpoint/not-found',
    `${path}: the folder holds no checkpoint (looked for ${join(inner, `${name}.json`)}).`,
  );
}

/** Data files that belong to the checkpoint of this name. */
export async function dataFilesOf(folder: string, name: string): Promise<string[]> {
  return (await listFolder(folder)).filter((file) => DATA_FILE.exec(file)?.[1] === name);
}

/** The names in a folder; none where it does not exist. */
export async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** A whole file as text. */
export async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path));
}

/** A leftover is removed by the next save or the next start; failing now would turn a finished save into an error. */
export async function removeQuietly(path: string, files: FileOperations): Promise<void> {
  try {
    await files.unlink(path);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}
