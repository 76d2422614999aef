/**
 * Reads the tensors of PyTorch's .pt and .pth files, the zip archives of version 1.6 and later and the bare pickles before. A file is
 * data here: nothing in it is run, and whatever is neither a tensor nor a container is refused (as torch.load(weights_only=True) does).
 */
import { GmtlError } from '../errors.ts';
import { checkAttributes } from '../arguments.ts';
import { bfloat16ToNumber, float16ToNumber } from '../tensor/float16.ts';
import { oneLine } from '../printable.ts';
import { PickleGlobal, type PickleHandlers, PickleProblem, readPickle } from './pickle.ts';
import type { StoredTensor, StoredTensors } from './safetensors.ts';
import { sizeOf } from '../tensor/spec.ts';
import { findStateDict } from './stateDict.ts';
import { TorchStorage, TorchTensor } from './torchTensor.ts';
import { isZip, zipMembers, ZipProblem } from './zip.ts';

/** The element types that are read: how PyTorch calls their storages, and bytes of an element. */
const STORAGES: Readonly<Record<string, number>> = { Float: 4, Half: 2, BFloat16: 2, Double: 8, Long: 8 };
/** Storages of other types may lie in a checkpoint, if no weight is of their type. */
const STORAGE = /^torch\.(?:cuda\.)?(\w+)Storage$/;
const CALLABLES = /^(torch\._utils\._rebuild_(tensor_v2|tensor|parameter)|torch\.Size|collections\.OrderedDict)$/;
/** Dimensions that a PyTorch tensor can have. */
const MOST_DIMENSIONS = 64;
/** Elements for each byte of the file: float16 has half a one; what is more is storages that many tensors share (tied weights do). */
const MOST_SHARING = 8;
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isSizes = (value: unknown): value is number[] => Array.isArray(value) && value.every(isSize);

function rebuilt([storage, offset, shape, strides]: readonly unknown[]): TorchTensor {
  if (
    !(storage instanceof TorchStorage) ||
    !isSize(offset) ||
    !isSizes(shape) ||
    !isSizes(strides) ||
    shape.length > MOST_DIMENSIONS ||
    shape.length !== strides.length
  ) {
    throw new PickleProblem('a tensor in it is made of other things than numbers');
  }
  const count = sizeOf(shape);
  const last = shape.reduce((sum, extent, axis) => sum + (extent - 1) * strides[axis], offset);
  // An expanded tensor would have more elements than its storage: a small file could fill any memory.
  if (count > storage.count || (count > 0 && last >= storage.count)) {
    throw new PickleProblem(
      `a tensor of shape [${shape.slice(0, 8)}] lies outside its storage of ${storage.count} elements`,
    );
  }
  return new TorchTensor(storage, offset, shape, strides);
}

/** A dict of a list of pairs, as Python 2 wrote them. The list is used up: one list would else fill any number of dicts. */
function orderedDict([items = []]: readonly unknown[]): Map<unknown, unknown> {
  if (!Array.isArray(items) || items.some((item) => !Array.isArray(item)))
    throw new PickleProblem('it makes a dict of no pairs');
  return new Map(items.splice(0) as [unknown, unknown][]);
}

const HANDLERS: PickleHandlers = {
  isKnown: (name) => CALLABLES.test(name) || STORAGE.test(name),
  call(name, args) {
    if (name === 'collections.OrderedDict') return orderedDict(args);
    if (name === 'torch.Size') return args[0];
    if (name === 'torch._utils._rebuild_parameter' && args[0] instanceof TorchTensor) return args[0];
    if (name.startsWith('torch._utils._rebuild_tensor')) return rebuilt(args);
    throw new PickleProblem(`it calls ${name}, which is not a tensor`);
  },
  persistent(id) {
    const [kind, type, key, , count] = Array.isArray(id) ? id : [];
    const named = type instanceof PickleGlobal ? STORAGE.exec(type.name)?.[1] : undefined;
    if (kind !== 'storage' || named === undefined || typeof key !== 'string' || !isSize(count)) {
      throw new PickleProblem('it refers to what is not a storage');
    }
    return new TorchStorage(named, key, count);
  },
};

/** The state dict of a PyTorch file. */
export interface TorchWeights {
  readonly tensors: StoredTensors;
  /** Where in the file they were: '' for a bare state dict, else keys such as `state_dict_ema`. */
  readonly path: string;
}

/** Whether the bytes can be a PyTorch file: a zip archive or a pickle of protocol 2 to 5. */
export function isTorchFile(bytes: Uint8Array): boolean {
  return isZip(bytes) || (bytes[0] === 0x80 && bytes[1] >= 2 && bytes[1] <= 5 && bytes[8] !== 0x7b);
}

/**
 * The state dict of a file: it may be the file itself or lie in a checkpoint beside other things; averaged weights (`ema`) are taken where
 * there are any. Floats of any width become float32; int64 stays.
 * @throws GmtlError `torch/refused` for what is neither a tensor nor a container, and for damaged or truncated files;
 * `torch/no-weights` where no state dict is found; `torch/dtype` for weights of another type.
 */
export function readTorchFile(bytes: Uint8Array, fileName: string): TorchWeights {
  checkAttributes('readTorchFile', { bytes: 'bytes', fileName: 'text' }, { bytes, fileName });
  try {
    const { root, bytesOf } = isZip(bytes) ? openZip(bytes) : openLegacy(bytes);
    const { path, entries } = findStateDict(root, fileName);
    const tensors = new Map<string, StoredTensor>();
    let total = 0;
    for (const [name, tensor] of entries) {
      const raw = storageOf(tensor, bytesOf, `${fileName}: tensor ${oneLine(name)}`);
      total += sizeOf(tensor.shape);
      if (total > MOST_SHARING * bytes.length)
        throw new PickleProblem('its tensors have many times the elements that the file holds');
      tensors.set(name, elements(tensor, raw));
    }
    return { tensors, path };
  } catch (cause) {
    if (!(cause instanceof PickleProblem) && !(cause instanceof ZipProblem) && !(cause instanceof TypeError))
      throw cause;
    const reason = cause instanceof TypeError ? 'a text in it is damaged' : cause.message;
    throw new GmtlError(
      'torch/refused',
      `${fileName}: not a file of weights that gmtl reads: ${reason}. Save the state dict alone: torch.save(model.state_dict(), "weights.pth").`,
      { cause },
    );
  }
}

interface Opened {
  readonly root: unknown;
  readonly bytesOf: (key: string) => Uint8Array | undefined;
}

function openZip(bytes: Uint8Array): Opened {
  const members = zipMembers(bytes);
  const pickle = [...members.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickle === undefined) throw new ZipProblem('the archive has no data.pkl, as those of PyTorch have');
  const folder = pickle.slice(0, -'data.pkl'.length);
  if (members.has(`${folder}constants.pkl`)) throw new ZipProblem('it is a TorchScript program, not weights');
  const order = members.get(`${folder}byteorder`);
  if (order && new TextDecoder().decode(order) !== 'little') throw new ZipProblem('its numbers are big-endian');
  const { value } = readPickle(members.get(pickle)!, 0, HANDLERS);
  return { root: value, bytesOf: (key) => members.get(`${folder}data/${key}`) };
}

/** Before version 1.6: a magic number, a version, sizes, the object, the storages' keys, and for each its count and its bytes. */
function openLegacy(bytes: Uint8Array): Opened {
  const plain: PickleHandlers = { ...HANDLERS, isKnown: () => false };
  const magic = readPickle(bytes, 0, plain);
  if (magic.value !== LEGACY_MAGIC) throw new PickleProblem('it is another pickle than torch.save writes');
  const version = readPickle(bytes, magic.end, plain);
  const system = readPickle(bytes, version.end, plain);
  if (version.value !== 1001) throw new PickleProblem('its version is not 1001');
  if (system.value instanceof Map && system.value.get('little_endian') === false)
    throw new PickleProblem('its numbers are big-endian');
  const types = new Map<string, number>();
  const noting: PickleHandlers = {
    ...HANDLERS,
    persistent(id) {
      const storage = HANDLERS.persistent(id) as TorchStorage;
      types.set(storage.key, STORAGES[storage.type] ?? Number.NaN);
      return storage;
    },
  };
  const object = readPickle(bytes, system.end, noting);
  const keys = readPickle(bytes, object.end, plain);
  if (!Array.isArray(keys.value)) throw new PickleProblem('it lists no storages');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Map<string, Uint8Array>();
  let at = keys.end;
  for (const key of keys.value as unknown[]) {
    const width = typeof key === 'string' ? types.get(key) : undefined;
    if (width === undefined || Number.isNaN(width)) throw new PickleProblem('a storage is of a type that is not read');
    if (at + 8 > bytes.length) throw new PickleProblem('it is cut short');
    const length = Number(view.getBigInt64(at, true)) * width;
    if (!isSize(length) || at + 8 + length > bytes.length) throw new PickleProblem('it is cut short');
    found.set(key as string, bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return { root: object.value, bytesOf: (key) => found.get(key) };
}

/** The bytes of the storage that a tensor is a window of. */
function storageOf({ storage }: TorchTensor, bytesOf: Opened['bytesOf'], where: string): Uint8Array {
  const width = STORAGES[storage.type];
  if (width === undefined) {
    throw new GmtlError(
      'torch/dtype',
      `${where} is of type ${storage.type}; weights must be float16, bfloat16, float32, float64 or int64. Quantized files cannot be used: give the original one.`,
    );
  }
  const raw = bytesOf(storage.key);
  if (raw === undefined || raw.length < storage.count * width)
    throw new PickleProblem(`storage ${oneLine(storage.key)} is missing or cut short`);
  return raw;
}

function elements({ storage, offset, shape, strides }: TorchTensor, raw: Uint8Array): StoredTensor {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const count = sizeOf(shape);
  const places = placesOf(offset, shape, strides, count);
  if (storage.type === 'Long') {
    return { dtype: 'I64', shape, data: BigInt64Array.from(places, (place) => view.getBigInt64(8 * place, true)) };
  }
  const read: Readonly<Record<string, (place: number) => number>> = {
    Float: (place) => view.getFloat32(4 * place, true),
    Double: (place) => view.getFloat64(8 * place, true),
    Half: (place) => float16ToNumber(view.getUint16(2 * place, true)),
    BFloat16: (place) => bfloat16ToNumber(view.getUint16(2 * place, true)),
  };
  return { dtype: 'F32', shape, data: Float32Array.from(places, read[storage.type]) };
}

/** Where in the storage each element lies, row-major. */
function placesOf(offset: number, shape: readonly number[], strides: readonly number[], count: number): Float64Array {
  const places = new Float64Array(count);
  const index = shape.map(() => 0);
  let place = offset;
  for (let at = 0; at < count; at++) {
    places[at] = place;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += strides[axis];
      if (++index[axis] < shape[axis]) break;
      place -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return places;
}
