/** Starting from weights that others trained: timm's, torchvision's, the original ConvNeXt's, segmentation_models_pytorch's, or gmtl's own. */
import { checkAttributes } from '../../engine/arguments.ts';
import { stat } from 'node:fs/promises';
import { shapesOf } from '../network/weights.ts';
import { GmtlError } from '../../engine/errors.ts';
import { decodeSafetensors, type StoredTensor, type StoredTensors } from '../../engine/io/safetensors.ts';
import { readTorchFile, isTorchFile } from '../../engine/io/torchFile.ts';
import { readBytes } from '../../engine/node/safetensorsFile.ts';
import { planInit, type PlanOptions } from '../../engine/models/pretrained/plan.ts';
import type { InitReport } from '../../engine/models/pretrained/report.ts';
import { type ExternalTensor, Module } from '../../engine/nn/module.ts';
import { sizeOf } from '../../engine/tensor/spec.ts';
import { readOnnxWeights } from '../../engine/onnx/readWeights.ts';
import { loadCheckpoint } from '../run/checkpoint.ts';
import { adoptNames } from './adoptNames.ts';

export type { InitRow, InitStatus } from '../../engine/models/pretrained/plan.ts';
export { formatInitReport, type InitReport } from '../../engine/models/pretrained/report.ts';
/** Options of {@link initFromFile}. */
export type InitOptions = PlanOptions;

/**
 * Writes a file's weights into a network's trunk, whatever project's names they bear; decoders and heads only where the file has
 * them under the network's own names and shapes. Everything is checked before anything is written. To be called before an
 * optimizer or a moving average is made from the network.
 *
 * @param file a .safetensors file (F32, F16 or BF16), PyTorch's .pt or .pth (read as data: nothing in it is run), an .onnx model (its
 * initializers), or a gmtl run folder or manifest (.json). Averaged weights are taken where there are any.
 * @param options `strict` (the default): the whole trunk must be in the file.
 * @throws GmtlError as `planInit`; `torch/…` and `onnx/refused` for files that are not weights; `init/not-finite` and
 * `init/dtype` naming the tensor; `init/optimizer-state`; and whatever reading the file throws (missing, truncated, foreign).
 */
export async function initFromFile(module: Module, file: string, options: InitOptions = {}): Promise<InitReport> {
  checkAttributes('initFromFile', { module: Module, file: 'path' }, { module, file });
  checkAttributes('initFromFile', { strict: 'flag?', leastShare: 'number?' }, options);
  const wanted = shapesOf(module);
  const { tensors: stored, fileNames } = adoptNames(await readWeights(file), wanted);
  for (const [name, tensor] of stored) requireUsable(file, fileNames.get(name) ?? name, tensor);
  const shapes = new Map([...stored].map(([name, { shape }]) => [name, shape]));
  const plan = planInit(file, shapes, wanted, options);

  const tensors = new Map<string, ExternalTensor>();
  let loadedElements = 0;
  for (const { fileName, name, status } of plan.rows) {
    if (status !== 'loaded' || fileName === null || name === null) continue;
    const tensor = stored.get(fileName);
    const shape = wanted.get(name);
    if (!tensor || !shape) throw new GmtlError('init/plan', `${file}: ${fileName} → ${name} names no tensor`);
    tensors.set(name, { shape, data: asFloats(file, fileName, tensor) });
    loadedElements += sizeOf(shape);
  }
  module.loadStateDict(tensors, { strict: false });
  const rows = plan.rows.map((row) => ({
    ...row,
    fileName: row.fileName === null ? null : (fileNames.get(row.fileName) ?? row.fileName),
  }));
  return { file, ...plan, rows, loadedElements };
}

/** Reads a file of weights on trial, before work is done that would be lost. @throws GmtlError as {@link initFromFile} for what cannot be read. */
export async function requireWeights(file: string): Promise<void> {
  await readWeights(file);
}

async function readWeights(file: string): Promise<StoredTensors> {
  const isFolder = await stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder || file.endsWith('.json')) {
    const { ema, weights } = await loadCheckpoint(file, { roles: ['ema'] });
    return ema ?? weights;
  }
  const bytes = await readBytes(file);
  if (isTorchFile(bytes)) return readTorchFile(bytes, file).tensors;
  if (file.endsWith('.onnx')) return readOnnxWeights(bytes, file);
  const { tensors, metadata } = decodeSafetensors(bytes, file);
  if (metadata.role === 'state') {
    throw new GmtlError(
      'init/optimizer-state',
      `${file}: holds an optimizer's state, not weights. Give the file of the same name without ".state", or the run folder.`,
    );
  }
  return tensors;
}

/** A file with a single NaN or infinity was damaged or comes of a run that diverged: none of it can be trusted. */
function requireUsable(file: string, name: string, { data }: StoredTensor): void {
  if (!(data instanceof Float32Array)) return;
  for (let index = 0; index < data.length; index++) {
    if (Number.isFinite(data[index])) continue;
    throw new GmtlError(
      'init/not-finite',
      `${file}: tensor ${name} has ${data[index]} at element ${index}: the file is damaged or its training diverged. Give another one.`,
    );
  }
  if (name.endsWith('running_var') && data.some((value) => value < 0)) {
    throw new GmtlError(
      'init/not-finite',
      `${file}: tensor ${name} has a negative variance: the file is damaged. Give another one.`,
    );
  }
}

function asFloats(file: string, name: string, { dtype, data }: StoredTensor): Float32Array {
  if (data instanceof Float32Array) return data;
  if (name.endsWith('num_batches_tracked')) return Float32Array.from(data, Number);
  throw new GmtlError(
    'init/dtype',
    `${file}: tensor ${name} is of type ${dtype}; weights must be F32, F16 or BF16. Quantized files cannot be used: give the original one.`,
  );
}
