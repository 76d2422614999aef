/** Tiny data sets and files for tests: no library here writes palette TIFFs, the form that IDRiD's masks have. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { KeyedRandom } from '../random.ts';
import { type Structure, STRUCTURE_NAMES, STRUCTURES } from '../domain.ts';

export type TiffCompression = 'none' | 'lzw' | 'packbits' | 'deflate';

export interface TiffOptions {
  readonly width: number;
  readonly height: number;
  /** One value per sample, row by row, samples interleaved. */
  readonly values: readonly number[];
  readonly bits: 1 | 4 | 8;
  readonly samples?: 1 | 3 | 4;
  /** 0 min is white, 1 min is black, 2 RGB, 3 palette, 6 YCbCr at full resolution. */
  readonly photometric: 0 | 1 | 2 | 3 | 6;
  /** RGB entries 0 … 255 of a palette image; missing ones are black. */
  readonly palette?: readonly (readonly [number, number, number])[];
  readonly compression?: TiffCompression;
  readonly bigEndian?: boolean;
}

export const RED_PALETTE = [
  [0, 0, 0],
  [255, 0, 0],
] as const;

/** The bytes of a baseline TIFF of one strip (TIFF 6.0). */
export function tiffBytes(options: TiffOptions): Buffer {
  const { width, height, bits, photometric, bigEndian = false, samples = 1, compression = 'none' } = options;
  const strip = compress(packRows(options.values, width * samples, height, bits), compression);
  const entries: { tag: number; type: 3 | 4; values: number[] }[] = [
    { tag: 256, type: 4, values: [width] },
    { tag: 257, type: 4, values: [height] },
    { tag: 258, type: 3, values: Array.from({ length: samples }, () => bits) },
    { tag: 259, type: 3, values: [{ none: 1, lzw: 5, packbits: 32773, deflate: 8 }[compression]] },
    { tag: 262, type: 3, values: [photometric] },
    { tag: 273, type: 4, values: [0] },
    { tag: 277, type: 3, values: [samples] },
    { tag: 278, type: 4, values: [height] },
    { tag: 279, type: 4, values: [strip.length] },
  ];
  if (photometric === 3) {
    const colors = Array.from({ length: 2 ** bits }, (_, index) => options.palette?.[index] ?? [0, 0, 0]);
    entries.push({
      tag: 320,
      type: 3,
      values: [0, 1, 2].flatMap((channel) => colors.map((color) => color[channel] * 257)),
    });
  }
  if (samples === 4) entries.push({ tag: 338, type: 3, values: [2] });
  if (photometric === 6) entries.push({ tag: 530, type: 3, values: [1, 1] });
  const directory = 8;
  let extra = directory + 2 + 12 * entries.length + 4;
  const extras: { at: number; type: 3 | 4; values: number[] }[] = [];
  const total =
    extra + entries.reduce((sum, entry) => sum + Math.max(4, entry.values.length * entry.type), 0) + strip.length + 64;
  const out = Buffer.alloc(total);
  const u16 = (value: number, at: number) => (bigEndian ? out.writeUInt16BE(value, at) : out.writeUInt16LE(value, at));
  const u32 = (value: number, at: number) => (bigEndian ? out.writeUInt32BE(value, at) : out.writeUInt32LE(value, at));
  out.write(bigEndian ? 'MM' : 'II', 0, 'latin1');
  u16(42, 2);
  u32(directory, 4);
  u16(entries.length, directory);
  const sizeOf = (type: 3 | 4) => (type === 3 ? 2 : 4);
  for (const [index, { tag, type, values }] of entries.entries()) {
    const at = directory + 2 + 12 * index;
    u16(tag, at);
    u16(type, at + 2);
    u32(values.length, at + 4);
    if (values.length * sizeOf(type) <= 4) extras.push({ at: at + 8, type, values });
    else {
      u32(extra, at + 8);
      extras.push({ at: extra, type, values });
      extra += values.length * sizeOf(type);
    }
    if (tag === 273) extras[extras.length - 1] = { at: at + 8, type, values: [-1] };
  }
  for (const { at, type, values } of extras) {
    for (const [index, value] of values.entries()) {
      const stored = value === -1 ? extra : value;
      if (type === 3) u16(stored, at + 2 * index);
      else u32(stored, at + 4 * index);
    }
  }
  out.set(strip, extra);
  return out.subarray(0, extra + strip.length);
}

function packRows(values: readonly number[], rowLength: number, height: number, bits: number): Buffer {
  const rowBytes = Math.ceil((rowLength * bits) / 8);
  const packed = Buffer.alloc(rowBytes * height);
  for (const [index, value] of values.entries()) {
    const bit = (index % rowLength) * bits;
    const at = Math.floor(index / rowLength) * rowBytes + (bit >> 3);
    packed[at] |= value << (8 - bits - (bit & 7));
  }
  return packed;
}

function compress(bytes: Buffer, compression: TiffCompression): Buffer {
  if (compression === 'none') return bytes;
  if (compression === 'deflate') return deflateSync(bytes);
  if (compression === 'packbits') {
    // A run of n bytes is (257 − n, byte); here every byte is a literal run of one, which any reader must take.
    return Buffer.from([...bytes].flatMap((byte) => [0, byte]));
  }
  // LZW without ever using its table: a Clear code often enough keeps all codes at 9 bits.
  const codes: number[] = [];
  for (const [index, byte] of bytes.entries()) {
    if (index % 200 === 0) codes.push(256);
    codes.push(byte);
  }
  codes.push(257);
  return packRows(
    codes.flatMap((code) => Array.from({ length: 9 }, (_, bit) => (code >> (8 - bit)) & 1)),
    codes.length * 9,
    1,
    1,
  );
}

/** A palette PNG of 1 or 8 bits per pixel. */
export function palettePng(
  width: number,
  height: number,
  values: readonly number[],
  bits: 1 | 8,
  palette: readonly (readonly number[])[],
): Buffer {
  const packed = packRows(values, width, height, bits);
  const rowBytes = packed.length / height;
  const rows = Array.from({ length: height }, (_, y) =>
    Buffer.concat([Buffer.from([0]), packed.subarray(y * rowBytes, (y + 1) * rowBytes)]),
  );
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([bits, 3, 0, 0, 0], 8);
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    out.set(body, 4);
    out.writeUInt32BE(crc32(body), body.length + 4);
    return out;
  };
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette.flat())),
    chunk('tRNS', Buffer.from([0])),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Frame of the tiny pictures: as wide as IDRiD's is to its height. */
export const TINY_WIDTH = 96;
export const TINY_HEIGHT = 64;

/** A JPEG of a bright disc with blotches that differ from seed to seed, on black. */
export async function tinyFundus(seed: number): Promise<Buffer> {
  const random = new KeyedRandom(seed, 99);
  const blotches = Buffer.from(
    Array.from({ length: 6 * 4 * 3 }, (_, index) => [150, 80, 40][index % 3] + random.integer(90)),
  );
  const { data } = await sharp(blotches, { raw: { width: 6, height: 4, channels: 3 } })
    .resize(TINY_WIDTH, TINY_HEIGHT, { fit: 'fill' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  for (let y = 0; y < TINY_HEIGHT; y++) {
    for (let x = 0; x < TINY_WIDTH; x++) {
      if (Math.hypot(x - 46, y - 32) > 34) data.fill(0, 3 * (y * TINY_WIDTH + x), 3 * (y * TINY_WIDTH + x) + 3);
    }
  }
  return sharp(data, { raw: { width: TINY_WIDTH, height: TINY_HEIGHT, channels: 3 } })
    .jpeg({ quality: 92 })
    .toBuffer();
}

/** A 1-bit red-palette TIFF with a filled rectangle. */
export function tinyMask(left: number, top: number, width: number, height: number): Buffer {
  const values = Array.from({ length: TINY_WIDTH * TINY_HEIGHT }, (_, index) => {
    const x = index % TINY_WIDTH;
    const y = Math.floor(index / TINY_WIDTH);
    return x >= left && x < left + width && y >= top && y < top + height ? 1 : 0;
  });
  return tiffBytes({
    width: TINY_WIDTH,
    height: TINY_HEIGHT,
    values,
    bits: 1,
    photometric: 3,
    palette: RED_PALETTE,
    compression: 'lzw',
  });
}

export async function put(path: string, content: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

const FOLDERS = { train: 'a. Training Set', test: 'b. Testing Set' } as const;
type OfficialSplit = keyof typeof FOLDERS;

export function imagePathA(root: string, split: OfficialSplit, number: number): string {
  return join(
    root,
    'A. Segmentation',
    '1. Original Images',
    FOLDERS[split],
    `IDRiD_${String(number).padStart(2, '0')}.jpg`,
  );
}

export function maskPath(root: string, split: OfficialSplit, number: number, structure: Structure): string {
  const folder = `${STRUCTURES.indexOf(structure) + 1}. ${STRUCTURE_NAMES[structure]}`;
  const name = `IDRiD_${String(number).padStart(2, '0')}_${structure}.tif`;
  return join(root, 'A. Segmentation', '2. All Segmentation Groundtruths', FOLDERS[split], folder, name);
}

export function imagePathB(root: string, split: OfficialSplit, number: number): string {
  return join(
    root,
    'B. Disease Grading',
    '1. Original Images',
    FOLDERS[split],
    `IDRiD_${String(number).padStart(3, '0')}.jpg`,
  );
}

export function labelsPath(root: string, split: OfficialSplit): string {
  const name =
    split === 'train' ? 'a. IDRiD_Disease Grading_Training Labels.csv' : 'b. IDRiD_Disease Grading_Testing Labels.csv';
  return join(root, 'B. Disease Grading', '2. Groundtruths', name);
}

/** A grading table with the official quirks: CRLF, a trailing space in the last header, empty columns. */
export function labelsCsv(grades: readonly (readonly [number, number])[]): string {
  const rows = grades.map(
    ([retinopathy, edema], index) => `IDRiD_${String(index + 1).padStart(3, '0')},${retinopathy},${edema},,,`,
  );
  return `${['Image name,Retinopathy grade,Risk of macular edema ,,,', ...rows].join('\r\n')}\r\n`;
}

export interface TinyIdrid {
  readonly segmentationTrain: number;
  readonly segmentationTest: number;
  /** (DR, DME) of each graded image; numbering starts at 1 in both splits. */
  readonly gradesTrain: readonly (readonly [number, number])[];
  readonly gradesTest: readonly (readonly [number, number])[];
}

export const SMALL_SET: TinyIdrid = {
  segmentationTrain: 3,
  segmentationTest: 1,
  gradesTrain: [
    [0, 0],
    [2, 1],
    [4, 2],
    [0, 0],
  ],
  gradesTest: [[3, 2]],
};

/** Writes a complete tiny data set. All pictures differ. Segmentation images have MA (2x2 at 40,30), EX and OD masks. */
export async function writeTinyIdrid(root: string, set: TinyIdrid = SMALL_SET): Promise<void> {
  let seed = 1;
  const first = { train: 1, test: set.segmentationTrain + 1 };
  for (const split of ['train', 'test'] as const) {
    const count = split === 'train' ? set.segmentationTrain : set.segmentationTest;
    for (let number = first[split]; number < first[split] + count; number++) {
      await put(imagePathA(root, split, number), await tinyFundus(seed++));
      await put(maskPath(root, split, number, 'MA'), tinyMask(40, 30, 2, 2));
      await put(maskPath(root, split, number, 'EX'), tinyMask(30, 20, 8, 6));
      await put(maskPath(root, split, number, 'OD'), tinyMask(60, 28, 10, 10));
    }
    const grades = split === 'train' ? set.gradesTrain : set.gradesTest;
    for (let number = 1; number <= grades.length; number++)
      await put(imagePathB(root, split, number), await tinyFundus(seed++));
    if (grades.length > 0) await put(labelsPath(root, split), labelsCsv(grades));
  }
}
