/** Tier: no adapter. DICOM files that dcmtk made (fixtures/make_dicom.py): every encoding gives the drawn picture; damaged and foreign ones end in one line. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import dicomParser from 'dicom-parser';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GmtlError } from '../../../engine/errors.ts';
import { requireOptional } from '../../../engine/node/optional.ts';
import { Generator } from '../../../engine/tensor/random.ts';
import { fingerprintFiles } from '../sets/fingerprintFiles.ts';
import { sameFrame } from '../sets/sameFrame.ts';
import type { DecodedImage } from './decoded.ts';
import { type DicomTools, openDicomFile } from './dicomFile.ts';
import type { LosslessJpeg } from './dicomJpeg.ts';
import { IMAGE, pictureError, readHeader } from './openPicture.ts';
import { decodeImage } from './preprocess.ts';
import { hostileDicoms, oddDicoms, withExif } from './testsupport.ts';

const path = (name: string): string => fileURLToPath(new URL(`fixtures/dicom/${name}`, import.meta.url));
const file = (name: string): Buffer => readFileSync(path(`${name}.dcm`));

let eye: DecodedImage;
let folder: string;
beforeAll(async () => {
  eye = await decodeImage(path('eye.png'));
  folder = mkdtempSync(join(tmpdir(), 'gmtl-dicom-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Mean and largest difference of two pictures' bytes. */
function apart(one: ArrayLike<number>, other: ArrayLike<number>): { mean: number; most: number } {
  expect(one.length).toBe(other.length);
  let [sum, most] = [0, 0];
  for (let index = 0; index < one.length; index++) {
    const difference = Math.abs(one[index] - other[index]);
    sum += difference;
    most = Math.max(most, difference);
  }
  return { mean: sum / one.length, most };
}

const green = (): Uint8Array => eye.data.map((_, at) => eye.data[at - (at % 3) + 1]) as Uint8Array;

describe('a DICOM file', () => {
  it.each(['rgb', 'planar', 'rle', 'lossless', 'implicit', 'big-endian', 'deflated'])(
    '%s holds the picture bit by bit',
    async (name) => {
      const { data, width, height } = await decodeImage(path(`${name}.dcm`));
      expect([width, height]).toEqual([56, 48]);
      expect(apart(data, eye.data).most).toBe(0);
    },
  );

  it.each(['gray', 'inverted', 'gray-lossless'])('%s holds its green channel bit by bit', async (name) => {
    expect(apart((await decodeImage(path(`${name}.dcm`))).data, green()).most).toBe(0);
  });

  it.each([
    // Rounding of YCbCr to bytes and back; JPEG at quality 95 with colors at half the resolution, on an edge of every fourth pixel.
    ['ybr', 1, 4],
    ['jpeg', 4, 120],
    ['jpeg-rgb', 2, 30],
    ['wrapped', 4, 120],
  ])('%s holds it to %d levels on average', async (name, mean, most) => {
    const difference = apart((await decodeImage(path(`${name}.dcm`))).data, eye.data);
    expect(difference.mean).toBeLessThan(mean);
    expect(difference.most).toBeLessThan(most);
  });

  it('in gray JPEG holds its green channel', async () => {
    expect(apart((await decodeImage(path('gray-jpeg.dcm'))).data, green()).mean).toBeLessThan(2);
  });

  it('of several frames gives each, under every encoding', async () => {
    const first = await decodeImage(path('frames.dcm'));
    expect(apart(first.data, eye.data).most).toBe(0);
    for (const frame of [1, 2, 3]) {
      const plain = await decodeImage(path('frames.dcm'), undefined, frame);
      expect(plain.dicom).toMatchObject({ frames: 3, frame });
      expect(apart(plain.data, first.data).most > 0).toBe(frame > 1);
      const rle = await decodeImage(path('frames-rle.dcm'), undefined, frame);
      expect(apart(rle.data, plain.data).most).toBe(0);
      const jpeg = await decodeImage(path('frames-jpeg.dcm'), undefined, frame);
      expect(apart(jpeg.data, plain.data).mean).toBeLessThan(4);
    }
    await expect(decodeImage(path('frames.dcm'), undefined, 4)).rejects.toThrow('it has 3 frames, none numbered 4');
  });

  it('says which eye, whose and at which scale, and no name or birth date', async () => {
    const { dicom } = await decodeImage(path('rgb.dcm'));
    expect(dicom).toEqual({
      ...{ frames: 1, frame: 1, laterality: 'right', pixelSpacing: [0.0125, 0.025] },
      ...{ patientId: 'PID-0042', studyUid: '1.2.826.0.1.3680043.8.498.2' },
    });
    expect((await decodeImage(path('gray.dcm'))).dicom?.laterality).toBe('left');
    expect((await decodeImage(path('wrapped.dcm'))).dicom).toMatchObject({ laterality: null, pixelSpacing: null });
  });

  it('is not turned by Exif data within its JPEG, nor is it by dcmtk', async () => {
    const [turned, plain] = [
      await decodeImage('eye.dcm', withExif(file('jpeg'), 6)),
      await decodeImage(path('jpeg.dcm')),
    ];
    expect([turned.width, turned.height, turned.orientation]).toEqual([56, 48, 1]);
    expect(apart(turned.data, plain.data).most).toBe(0);
  });

  it('is not called damaged where memory ends', () => {
    const ends = (): never => {
      throw new RangeError('Array buffer allocation failed');
    };
    const opened = (name: string) =>
      openDicomFile(
        {
          parser: dicomParser,
          losslessJpeg: () => ({
            Decoder: class {
              decompress = ends;
            },
          }),
          inflate: ends,
        },
        file(name),
        'eye.dcm',
        IMAGE.code,
      );
    expect(() => opened('lossless').frame()).toThrow(RangeError);
    expect(() => opened('deflated')).toThrow(RangeError);
    const { message } = pictureError('eye.dcm', IMAGE, new RangeError('Array buffer allocation failed'));
    expect(message).toMatch(/no memory left to decode it/);
    expect(message).not.toMatch(/damaged/);
  });

  it('is a picture for whatever compares, measures and lists pictures', async () => {
    expect(await readHeader(path('rle.dcm'), path('rle.dcm'))).toMatchObject({ width: 56, height: 48 });
    expect(await sameFrame(path('rle.dcm'), path('eye.png'))).toBe(true);
    const [dicom, png] = await fingerprintFiles([path('rle.dcm'), path('eye.png')], { root: null });
    expect(dicom.thumbnail).toEqual(png.thumbnail);
  });
});

/** Writes a value over an element of an uncompressed file of explicit little-endian value representations. */
function patched(name: string, tag: readonly [number, number], edit: (bytes: Buffer, value: number) => void): Buffer {
  const bytes = Buffer.from(file(name));
  const key = Buffer.alloc(4);
  key.writeUInt16LE(tag[0], 0);
  key.writeUInt16LE(tag[1], 2);
  const element = bytes.indexOf(key, 132);
  expect(element).toBeGreaterThan(132);
  edit(bytes, element + 8);
  return bytes;
}

const ROWS = [0x28, 0x10] as const;
const HOSTILE: readonly [string, () => Buffer, string | RegExp][] = [
  ['JPEG-LS', () => file('jpegls'), 'JPEG-LS, lossless (convert it: dcmdjpls IN OUT)'],
  ['nothing after its mark', () => file('rgb').subarray(0, 132), 'truncated or damaged'],
  ['half of its header', () => file('rgb').subarray(0, 300), 'truncated or damaged'],
  ['half of its pixels', () => file('rgb').subarray(0, 5000), /truncated or damaged|ends after/],
  ['half of its RLE frame', () => file('rle').subarray(0, 2000), /truncated or damaged|cut short|outside/],
  ['half of its JPEG', () => file('jpeg').subarray(0, 2000), /Cannot (read|decode)/],
  [
    'noise after its mark',
    () =>
      Buffer.concat([
        file('rgb').subarray(0, 132),
        Buffer.from(Array.from({ length: 2000 }, (_, at) => (at * 7919 + (at >> 3)) % 251)),
      ]),
    'Cannot read the DICOM file',
  ],
  ['no rows', () => patched('rgb', ROWS, (bytes, at) => bytes.writeUInt16LE(0, at)), 'holds no picture (56x0'],
  [
    'more rows than pixels',
    () => patched('rgb', ROWS, (bytes, at) => bytes.writeUInt16LE(65535, at)),
    'its pixel data ends after',
  ],
  [
    'a small RLE frame of 65535 rows',
    () => patched('rle', ROWS, (bytes, at) => bytes.writeUInt16LE(65535, at)),
    'its RLE segments are cut short',
  ],
  [
    'a small RLE frame of 65535x65535',
    () => {
      const bytes = patched('rle', ROWS, (all, at) => all.writeUInt16LE(65535, at));
      const columns = bytes.indexOf(Buffer.from([0x28, 0, 0x11, 0]), 132);
      bytes.writeUInt16LE(65535, columns + 8);
      return bytes;
    },
    'more than the 200 million pixels',
  ],
  [
    'another size than its JPEG',
    () => patched('jpeg', ROWS, (bytes, at) => bytes.writeUInt16LE(47, at)),
    'it states 56x47 pixels, its JPEG has 56x48',
  ],
  [
    'another size than its lossless JPEG',
    () => patched('lossless', ROWS, (bytes, at) => bytes.writeUInt16LE(47, at)),
    'it states 56x47 pixels, its JPEG has 56x48',
  ],
  [
    'a JPEG of inks',
    () => {
      const bytes = Buffer.from(file('jpeg'));
      bytes[bytes.indexOf(Buffer.from([0xff, 0xc0]), 132) + 9] = 4;
      return bytes;
    },
    'its JPEG has 4 color components (4: CMYK',
  ],
  [
    'an RLE header that points outside',
    () =>
      patched('rle', [0xfffe, 0xe000], (bytes, at) => {
        const fragment = bytes.indexOf(Buffer.from([0xfe, 0xff, 0, 0xe0]), at + 4);
        bytes.writeUInt32LE(0xfffffff0, fragment + 8 + 8);
      }),
    'points outside of the frame',
  ],
  [
    '16 bits',
    () => patched('gray', [0x28, 0x100], (bytes, at) => bytes.writeUInt16LE(16, at)),
    'it has 8 bits in 16 per sample',
  ],
  [
    'colors of a palette',
    () => patched('gray', [0x28, 0x4], (bytes, at) => bytes.write('PALETTE COLO', at)),
    'its colors are PALETTE COLO',
  ],
  [
    'more frames than pixels',
    () => patched('frames', [0x28, 0x8], (bytes, at) => bytes.write('99', at)),
    '99 frames of 56x48 need',
  ],
  [
    'an unknown transfer syntax',
    () =>
      Buffer.from(file('rgb').toString('latin1').replace('1.2.840.10008.1.2.1\0', '1.2.840.10008.9.9.9\0'), 'latin1'),
    '"1.2.840.10008.9.9.9"',
  ],
  [
    'a deflated part that unpacks a thousandfold',
    () => {
      const header = file('deflated').subarray(0, 144 + file('deflated').readUInt32LE(140));
      return Buffer.concat([header, deflateRawSync(Buffer.alloc(40 * 2 ** 20))]);
    },
    /its deflated part unpacks to more than \d{8} bytes, a hundredfold: no photograph does\.$/,
  ],
  ['half of its deflated part', () => file('deflated').subarray(0, -400), 'its deflated part is truncated or damaged.'],
  [
    'a transfer syntax of compression and no compressed pixels',
    () =>
      Buffer.from(file('rgb').toString('latin1').replace('1.2.840.10008.1.2.1\0', '1.2.840.10008.1.2.5\0'), 'latin1'),
    /Cannot read/,
  ],
];

/** A frame of the fixtures as JPEG. */
const jpegFrame = ((): Buffer => {
  const bytes = file('jpeg');
  const start = bytes.indexOf(Buffer.from([0xff, 0xd8, 0xff]), 132);
  return bytes.subarray(start, start + bytes.readUInt32LE(start - 4));
})();

const progressive = await sharp(path('eye.png')).jpeg({ progressive: true, quality: 95 }).toBuffer();

describe('a DICOM file is read in spite of', () => {
  it.each(Object.entries(oddDicoms(jpegFrame, progressive, file('implicit'))))('%s', async (_, bytes) => {
    expect(await decodeImage('eye.dcm', bytes)).toMatchObject({ width: 56, height: 48 });
  });
});

const CORPUS: readonly (readonly [string, Buffer, string | RegExp])[] = [
  ...HOSTILE.map(([what, make, message]) => [what, make(), message] as const),
  ...hostileDicoms(jpegFrame),
];

describe('a DICOM file is refused in one line where it has', () => {
  it.each(CORPUS)('%s', async (name, bytes, message) => {
    const error = await decodeImage('eye.dcm', bytes).then(
      () => expect.fail('it was read'),
      (cause: unknown) => cause as GmtlError,
    );
    expect(error).toBeInstanceOf(GmtlError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/[\p{Cc}]/u);
    expect(error.message).not.toMatch(/PID-0042|Doe|dicomParser/);
    const written = join(folder, `${name.replaceAll(/\W/g, '-')}.dcm`);
    writeFileSync(written, bytes);
    // Listing must not accept what decoding refuses, save for bits of a compressed frame that only decoding reads.
    await readHeader(written, written, IMAGE).catch((cause: unknown) => expect(cause).toBeInstanceOf(GmtlError));
  });

  it('lost its end, wherever it was cut', () => {
    const inflate: DicomTools['inflate'] = (all, at) =>
      Buffer.concat([all.subarray(0, at), inflateRawSync(all.subarray(at))]);
    const tools = {
      parser: dicomParser,
      losslessJpeg: () => requireOptional<LosslessJpeg>('jpeg-lossless-decoder-js'),
      inflate,
    };
    for (const name of ['rgb', 'implicit', 'deflated', 'rle', 'jpeg', 'lossless', 'frames-jpeg']) {
      const whole = file(name);
      expect(openDicomFile(tools, whole, 'eye.dcm', IMAGE.code).frame()).toBeDefined();
      // Wherever an element may begin before the pixels, and the last bytes; a prime step in between.
      for (let end = 132; end < whole.length; end += end < 900 ? 2 : end > whole.length - 40 ? 1 : 397) {
        const cut = whole.subarray(0, end);
        expect(() => openDicomFile(tools, cut, 'eye.dcm', IMAGE.code).frame(), `${name}, ${end} bytes`).toThrow(
          GmtlError,
        );
      }
    }
  });

  it('any one byte damaged, or reads it', async () => {
    const generator = new Generator(5);
    for (const name of ['rle', 'frames-jpeg', 'deflated', 'lossless']) {
      for (let round = 0; round < 40; round++) {
        const bytes = Buffer.from(file(name));
        for (let hit = 0; hit < 3; hit++) bytes[132 + generator.integer(bytes.length - 132)] = generator.integer(256);
        await decodeImage('eye.dcm', bytes).catch((cause: unknown) => {
          expect(cause, String(cause)).toBeInstanceOf(GmtlError);
          expect((cause as GmtlError).message).not.toContain('\n');
        });
      }
    }
  });
});
