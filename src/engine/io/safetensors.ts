/**
 * The safetensors format (huggingface/safetensors, format section of its README): a little-endian u64 header length, a JSON header padded
 * with spaces, then the tensors' bytes, little-endian, C order, without holes. No Node modules here: browsers read the same files.
 */
import { checkAttributes } from '../arguments.ts';
import { GmtlError, show } from '../errors.ts';
import { bfloat16ToNumber, float16ToNumber, numberToFloat16 } from '../tensor/float16.ts';
import { identifyForeignFile } from './identify.ts';
import { findDuplicateKey } from './jsonKeys.ts';

export type SafetensorsDtype = 'F32' | 'F16' | 'BF16' | 'I32' | 'U32' | 'U8' | 'I64';

/**
 * One tensor, C order. `data` is Float32Array for F32, F16 and BF16 (halves are widened on reading, rounded to nearest even on writing),
 * Int32Array, Uint32Array, Uint8Array or BigInt64Array for the others.
 */
export interface StoredTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint32Array | Uint8Array | BigInt64Array;
}

/** A tensor to be written; without `dtype` its type is that of its data: F32 of a Float32Array, I64 of a BigInt64Array, … */
export type EncodableTensor = Omit<StoredTensor, 'dtype'> & Partial<Pick<StoredTensor, 'dtype'>>;

/** Tensors by name, in file order. */
export type StoredTensors = ReadonlyMap<string, StoredTensor>;

/** What a safetensors file holds. */
export interface SafetensorsFile {
  readonly tensors: Map<string, StoredTensor>;
  readonly metadata: Record<string, string>;
}

const BYTES_PER_ELEMENT: Record<SafetensorsDtype, number> = { F32: 4, F16: 2, BF16: 2, I32: 4, U32: 4, U8: 1, I64: 8 };
const METADATA_KEY = '__metadata__';
/** The array that holds each type, and the type of each array that is passed without one. */
const ARRAY_OF = {
  F32: Float32Array,
  I32: Int32Array,
  U32: Uint32Array,
  U8: Uint8Array,
  I64: BigInt64Array,
  F16: Float32Array,
};
/** The reference implementation refuses longer headers. */
const MAXIMUM_HEADER_BYTES = 100_000_000;

/**
 * Serializes tensors, such as a module's `stateDict()`. Names keep the map's order in the header; the bytes are laid out widest type first,
 * so that each is aligned.
 * @throws GmtlError `safetensors/invalid` for what is not a map of tensors, when a shape disagrees with its data, the data's type with its dtype,
 * or the dtype is BF16 (read only).
 */
export function encodeSafetensors(
  given: ReadonlyMap<string, EncodableTensor>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  if (!(given instanceof Map)) {
    const what = 'a Map of { shape, data } by name, such as await module.stateDict()';
    throw new GmtlError('safetensors/invalid', `the tensors to write are ${show(given)}; it takes ${what}`);
  }
  const tensors = new Map([...given].map(([name, tensor]) => [name, typed(name, tensor)]));
  const offsets = new Map<string, [number, number]>();
  let dataBytes = 0;
  const layout = [...tensors].sort(([, a], [, b]) => BYTES_PER_ELEMENT[b.dtype] - BYTES_PER_ELEMENT[a.dtype]);
  for (const [name, tensor] of layout) {
    checkEncodable(name, tensor);
    const end = dataBytes + tensor.data.length * BYTES_PER_ELEMENT[tensor.dtype];
    offsets.set(name, [dataBytes, end]);
    dataBytes = end;
  }
  // Built as text, not as an object: an object would reorder integer-like names and swallow `__proto__`.
  const entries = [...tensors].map(([name, { dtype, shape }]) =>
    jsonEntry(name, { dtype, shape, data_offsets: offsets.get(name) }),
  );
  if (metadata !== undefined) entries.unshift(jsonEntry(METADATA_KEY, metadata));
  const text = new TextEncoder().encode(`{${entries.join(',')}}`);
  const headerBytes = Math.ceil(text.length / 8) * 8;
  if (headerBytes > MAXIMUM_HEADER_BYTES)
    throw invalid('(header)', `the header has ${headerBytes} bytes, over the format's limit`);

  const bytes = new Uint8Array(8 + headerBytes + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.fill(0x20, 8 + text.length, 8 + headerBytes);
  bytes.set(text, 8);
  for (const [name, tensor] of layout) bytes.set(littleEndianBytes(tensor), 8 + headerBytes + offsets.get(name)![0]);
  return bytes;
}

/**
 * Parses and validates a whole safetensors file. The returned arrays are copies.
 * @param fileName named in errors.
 * @throws GmtlError `safetensors/foreign` for a foreign file (it says which kind), `safetensors/truncated` for one cut short and
 * `safetensors/invalid` for a header that contradicts itself or the file.
 */
export function decodeSafetensors(bytes: Uint8Array, fileName: string): SafetensorsFile {
  checkAttributes('decodeSafetensors', { bytes: 'bytes', fileName: 'text' }, { bytes, fileName });
  const { header, dataStart } = readHeader(bytes, fileName);
  const fail = (problem: string) => invalid(fileName, problem);
  const metadata: Record<string, string> = {};
  const found: { name: string; dtype: SafetensorsDtype; shape: number[]; begin: number; end: number }[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (!isRecord(value)) throw fail(`entry "${name}" is not an object`);
    if (name === METADATA_KEY) {
      for (const [key, text] of Object.entries(value)) {
        if (typeof text !== 'string') throw fail(`metadata "${key}" is not a string`);
        metadata[key] = text;
      }
      continue;
    }
    found.push({ name, ...parseEntry(name, value, fail) });
  }

  // As in the reference implementation, the tensors must tile the data exactly: no overlap, no hole, nothing after the last.
  const ordered = [...found].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  let previous = 'the header';
  for (const { name, begin, end } of ordered) {
    if (begin < position) throw fail(`tensor "${name}" overlaps ${previous}`);
    if (begin > position)
      throw fail(`${begin - position} bytes between ${previous} and tensor "${name}" belong to no tensor`);
    position = end;
    previous = `tensor "${name}"`;
  }
  const available = bytes.length - dataStart;
  if (position > available) {
    throw new GmtlError(
      'safetensors/truncated',
      `${fileName}: the file is cut short: its header promises ${dataStart + position} bytes, it has ${bytes.length}. Download or copy it again.`,
    );
  }
  if (position < available) throw fail(`${available - position} bytes after the last tensor belong to no tensor`);

  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, shape, begin, end } of found) {
    // Not bytes.slice(): Node's Buffer overrides it to share memory, at any alignment.
    const raw = new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end));
    tensors.set(name, { dtype, shape, data: fromLittleEndian(dtype, raw) });
  }
  return { tensors, metadata };
}

/** Whether `bytes` (a file's beginning, 9 bytes are enough) can be a safetensors file at all. */
function looksLikeSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 9 || bytes[8] !== 0x7b) return false;
  return readHeaderLength(bytes) <= BigInt(MAXIMUM_HEADER_BYTES);
}

function readHeader(bytes: Uint8Array, fileName: string): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.length === 0) {
    throw new GmtlError('safetensors/foreign', `${fileName}: the file is empty. Download or copy it again.`);
  }
  if (!looksLikeSafetensors(bytes)) {
    const { what, advice } = identifyForeignFile(bytes);
    throw new GmtlError('safetensors/foreign', `${fileName}: not a safetensors file; it is ${what}. ${advice}`);
  }
  const dataStart = 8 + Number(readHeaderLength(bytes));
  if (dataStart > bytes.length) {
    throw new GmtlError(
      'safetensors/truncated',
      `${fileName}: the file is cut short within its header (${dataStart} bytes are needed, it has ${bytes.length}). Download or copy it again.`,
    );
  }
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, dataStart));
    header = JSON.parse(text);
  } catch (cause) {
    throw invalid(fileName, `the header is not valid JSON (${(cause as Error).message})`, cause);
  }
  if (!isRecord(header)) throw invalid(fileName, 'the header is not a JSON object');
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) throw invalid(fileName, `the header names "${duplicate}" twice`);
  return { header, dataStart };
}

function readHeaderLength(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true);
}

function parseEntry(
  name: string,
  entry: Record<string, unknown>,
  fail: (problem: string) => GmtlError,
): { dtype: SafetensorsDtype; shape: number[]; begin: number; end: number } {
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDtype(dtype)) {
    const known = Object.keys(BYTES_PER_ELEMENT).join(', ');
    throw fail(`tensor "${name}" has dtype ${JSON.stringify(dtype)}; gmtl reads ${known}`);
  }
  if (!isSizes(shape)) throw fail(`tensor "${name}" has the shape ${JSON.stringify(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw fail(`tensor "${name}" has the offsets ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets;
  const expected = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
  if (end - begin !== expected) {
    throw fail(
      `tensor "${name}" of shape [${shape}] and dtype ${dtype} needs ${expected} bytes, its offsets span ${end - begin}`,
    );
  }
  return { dtype, shape, begin, end };
}

/** The tensor with its type stated. */
function typed(name: string, tensor: EncodableTensor): StoredTensor {
  const data: unknown = tensor?.data;
  const known = Object.entries(ARRAY_OF).find(([, array]) => data instanceof array);
  if (!known) {
    const arrays = [...new Set(Object.values(ARRAY_OF).map((array) => array.name))].join(', ');
    throw invalid(`tensor "${name}"`, `its data is ${show(data)}, not one of ${arrays}`);
  }
  return { ...tensor, dtype: tensor.dtype ?? (known[0] as SafetensorsDtype) };
}

function checkEncodable(name: string, { dtype, shape, data }: StoredTensor): void {
  const fail = (problem: string) => invalid(`tensor "${name}"`, problem);
  if (name === METADATA_KEY) throw fail('this name is reserved for the metadata');
  if (dtype === 'BF16') throw fail('BF16 is read only; write F32 or F16');
  if (!isSizes(shape)) throw fail(`the shape [${shape}] is not made of whole numbers`);
  if (elementCount(shape) !== data.length) {
    throw fail(`the shape [${shape}] has ${elementCount(shape)} elements, its data ${data.length}`);
  }
  if (!Object.hasOwn(ARRAY_OF, dtype))
    throw fail(`the dtype ${dtype} cannot be written; gmtl writes ${Object.keys(ARRAY_OF).join(', ')}`);
  const wanted = ARRAY_OF[dtype];
  if (!(data instanceof wanted)) throw fail(`dtype ${dtype} takes a ${wanted.name}, not a ${data.constructor.name}`);
}

/** Typed arrays use the machine's byte order, and every machine WebGPU runs on is little-endian. */
function littleEndianBytes({ dtype, data }: StoredTensor): Uint8Array {
  const stored = dtype === 'F16' ? Uint16Array.from(data as Float32Array, numberToFloat16) : data;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

function fromLittleEndian(dtype: SafetensorsDtype, raw: Uint8Array): StoredTensor['data'] {
  const buffer = raw.buffer as ArrayBuffer;
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer);
    case 'F16':
      return Float32Array.from(new Uint16Array(buffer), float16ToNumber);
    case 'BF16':
      return Float32Array.from(new Uint16Array(buffer), bfloat16ToNumber);
    case 'I32':
      return new Int32Array(buffer);
    case 'U32':
      return new Uint32Array(buffer);
    case 'U8':
      return raw;
    case 'I64':
      return new BigInt64Array(buffer);
    default:
      return dtype satisfies never;
  }
}

function invalid(where: string, problem: string, cause?: unknown): GmtlError {
  const advice = 'The file is damaged or was written by a faulty program: write or download it again.';
  const message =
    where.startsWith('tensor') || where.startsWith('(') ? `${where}: ${problem}.` : `${where}: ${problem}. ${advice}`;
  return new GmtlError('safetensors/invalid', message, { cause });
}

function jsonEntry(key: string, value: unknown): string {
  return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === 'string' && Object.hasOwn(BYTES_PER_ELEMENT, value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
