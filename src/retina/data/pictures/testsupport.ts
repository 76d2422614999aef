/** DICOM files changed byte by byte or written in pieces, for tests of what they must not do. */

/** A DICOM file of one JPEG fragment, with Exif data in it that states this orientation (Exif 2.32, 4.7.2 and tag 0x0112). */
export function withExif(file: Buffer, orientation: number): Buffer {
  const start = file.indexOf(Buffer.from([0xff, 0xd8, 0xff]), 132);
  const tiff = [0x49, 0x49, 0x2a, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0];
  const exif = Buffer.from([0xff, 0xe1, 0, 8 + tiff.length, ...Buffer.from('Exif\0\0'), ...tiff]);
  const whole = Buffer.concat([file.subarray(0, start + 2), exif, file.subarray(start + 2)]);
  // The length of the fragment, which lies before it.
  whole.writeUInt32LE(file.readUInt32LE(start - 4) + exif.length, start - 4);
  return whole;
}

const LONG_LENGTHS = ['OB', 'SQ', 'UN'];
const UNDEFINED = 0xffffffff;

/** A tag and a length: what items and delimiters begin with. */
function tag(group: number, element: number, length: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(group, 0);
  bytes.writeUInt16LE(element, 2);
  bytes.writeUInt32LE(length, 4);
  return bytes;
}

/** An element of explicit little-endian value representation (PS3.5, 7.1.2). @param stated the length that it states, where that is a lie. */
function element(id: number, kind: string, value: Buffer | string, stated?: number): Buffer {
  const bytes = Buffer.from(value as string, 'latin1');
  const even = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from(kind === 'UI' ? '\0' : ' ')]);
  const isLong = LONG_LENGTHS.includes(kind);
  const head = Buffer.alloc(isLong ? 12 : 8);
  head.writeUInt16LE(id >>> 16, 0);
  head.writeUInt16LE(id & 0xffff, 2);
  head.write(kind, 4, 'latin1');
  if (isLong) head.writeUInt32LE(stated ?? even.length, 8);
  else head.writeUInt16LE(stated ?? even.length, 6);
  return Buffer.concat([head, even]);
}

const short = (value: number): Buffer => Buffer.from([value & 255, value >> 8]);
const longs = (...values: number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);

const SYNTAX = {
  raw: '1.2.840.10008.1.2.1',
  deflated: '1.2.840.10008.1.2.1.99',
  rle: '1.2.840.10008.1.2.5',
  jpeg: '1.2.840.10008.1.2.4.50',
  lossless: '1.2.840.10008.1.2.4.70',
};

/** Frames of the drawn fixtures are 56x48, three bytes per pixel. */
const PIXELS = Buffer.alloc(56 * 48 * 3, 90);
const TAG = {
  samples: 0x00280002,
  photometric: 0x00280004,
  planar: 0x00280006,
  frames: 0x00280008,
  rows: 0x00280010,
  columns: 0x00280011,
  allocated: 0x00280100,
  stored: 0x00280101,
  highBit: 0x00280102,
  signed: 0x00280103,
  pixels: 0x7fe00010,
  references: 0x00081140,
  syntax: 0x00020010,
};

/** What a file says of its pixels, by tag; null leaves it out. */
type Described = Readonly<Record<number, Buffer | null>>;

interface Rest {
  readonly syntax?: string;
  /** Elements before those that describe the pixels. */
  readonly before?: Buffer;
  readonly pixels?: Buffer;
}

/** A color photograph of one frame, uncompressed; `described` changes what it says of itself. */
function dicom(described: Described, { syntax = SYNTAX.raw, before = Buffer.of(), pixels }: Rest = {}): Buffer {
  const meta = element(TAG.syntax, 'UI', syntax);
  const usual: Described = {
    [TAG.samples]: element(TAG.samples, 'US', short(3)),
    [TAG.photometric]: element(TAG.photometric, 'CS', 'RGB'),
    [TAG.planar]: element(TAG.planar, 'US', short(0)),
    [TAG.rows]: element(TAG.rows, 'US', short(48)),
    [TAG.columns]: element(TAG.columns, 'US', short(56)),
    [TAG.allocated]: element(TAG.allocated, 'US', short(8)),
    [TAG.stored]: element(TAG.stored, 'US', short(8)),
    [TAG.highBit]: element(TAG.highBit, 'US', short(7)),
    [TAG.signed]: element(TAG.signed, 'US', short(0)),
  };
  const elements = Object.entries({ ...usual, ...described }).sort(([one], [other]) => Number(one) - Number(other));
  return Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM'),
    element(0x00020000, 'UL', longs(meta.length)),
    meta,
    before,
    ...elements.flatMap(([, bytes]) => bytes ?? []),
    pixels ?? element(TAG.pixels, 'OB', PIXELS),
  ]);
}

/** Compressed pixels (PS3.5, A.4): an offset table, then pieces. @param end what follows them. */
function pieces(table: Buffer, parts: readonly Buffer[], end: Buffer = tag(0xfffe, 0xe0dd, 0)): Buffer {
  const items = [table, ...parts].flatMap((part) => [tag(0xfffe, 0xe000, part.length), part]);
  return Buffer.concat([element(TAG.pixels, 'OB', '', UNDEFINED), ...items, end]);
}

/** Sequences of undefined length, one in the other. */
function nested(depth: number): Buffer {
  const opening = [element(TAG.references, 'SQ', '', UNDEFINED), tag(0xfffe, 0xe000, UNDEFINED)];
  const closing = [tag(0xfffe, 0xe00d, 0), tag(0xfffe, 0xe0dd, 0)];
  const times = (parts: readonly Buffer[]) => Array.from({ length: depth }, () => parts).flat();
  return Buffer.concat([...times(opening), ...times(closing)]);
}

const us = (id: number, value: number): Described => ({ [id]: element(id, 'US', short(value)) });
const frames = (stated: string): Described => ({ [TAG.frames]: element(TAG.frames, 'IS', stated) });
const colors = (stated: string): Described => ({ [TAG.photometric]: element(TAG.photometric, 'CS', stated) });

/** Bytes that stand where a DICOM file's mark must, with another program's around them. */
const marked = (before: string, after: string): Buffer =>
  Buffer.from(`${before.padEnd(128).slice(0, 128)}DICM${after}`, 'latin1');

/** Odd files that are read all the same. @param jpeg a frame of 56x48 as JPEG. @param progressive such a frame as progressive JPEG. @param implicit a file whose elements do not state their kinds. */
export function oddDicoms(jpeg: Buffer, progressive: Buffer, implicit: Buffer): Readonly<Record<string, Buffer>> {
  const none = Buffer.of();
  const halves = [jpeg.subarray(0, 500), jpeg.subarray(500)];
  return {
    'nothing odd': dicom({}),
    'private tags': dicom(
      {},
      {
        before: Buffer.concat([
          element(0x00090010, 'LO', 'A CAMERA'),
          element(0x00091001, 'UN', Buffer.alloc(50, 7)),
          element(0x00091002, 'ZZ', 'an unknown kind of value'),
        ]),
      },
    ),
    'sequences nested tenfold': dicom({}, { before: nested(10) }),
    'padding at its end': Buffer.concat([dicom({}), element(0xfffcfffc, 'OB', Buffer.alloc(64))]),
    'no bytes of padding at its end': Buffer.concat([implicit, tag(0xfffc, 0xfffc, 0)]),
    'two bytes of padding at its end': Buffer.concat([implicit, tag(0xfffc, 0xfffc, 2), short(0)]),
    'a length of its header that is a lie': (() => {
      const bytes = dicom({});
      bytes.writeUInt32LE(0xffffff00, 140);
      return bytes;
    })(),
    'progressive JPEG': dicom({}, { syntax: '1.2.840.10008.1.2.4.55', pixels: pieces(none, [progressive]) }),
    'a frame in two pieces': dicom({}, { syntax: SYNTAX.jpeg, pixels: pieces(none, halves) }),
  };
}

/** Files that end in one line: what is wrong, the bytes, a part of the message. @param jpeg a frame of 56x48 as JPEG. */
export function hostileDicoms(jpeg: Buffer): readonly (readonly [what: string, bytes: Buffer, message: string])[] {
  const none = Buffer.of();
  const compressed = (pixels: Buffer, described: Described = {}, syntax = SYNTAX.jpeg): Buffer =>
    dicom(described, { syntax, pixels });
  const two = frames('2');
  const table = (...offsets: number[]): Buffer => compressed(pieces(longs(...offsets), [jpeg, jpeg]), two);
  const stated = (value: Buffer): Buffer => dicom({}, { pixels: value });
  const framed = (at: number, to: number): Buffer => {
    const bytes = Buffer.from(jpeg);
    bytes[bytes.indexOf(Buffer.from([0xff, 0xc0])) + at] = to;
    return compressed(pieces(none, [bytes]));
  };
  const past = 'a length in it points past its end; it is truncated or damaged';
  return [
    ['sequences nested 20,000-fold', dicom({}, { before: nested(20_000) }), 'nested too deeply'],
    ['sequences that nothing closes', dicom({}, { before: nested(5).subarray(0, 100) }), 'it is truncated or damaged'],
    [
      'a sequence longer than the file',
      dicom({}, { before: element(TAG.references, 'SQ', '', 0x7fffffff) }),
      'damaged',
    ],
    [
      'an item longer than the file',
      dicom({}, { before: element(TAG.references, 'SQ', tag(0xfffe, 0xe000, 0x7fffffff)) }),
      past,
    ],
    [
      'an element longer than the file',
      dicom({ [TAG.photometric]: element(TAG.photometric, 'CS', 'RGB', 60_000) }),
      past,
    ],
    ['an odd length', dicom({ [TAG.photometric]: element(TAG.photometric, 'CS', 'RGB', 3) }), past],
    ['pixels longer than the file', stated(element(TAG.pixels, 'OB', PIXELS, 0x7ffffff0)), past],
    ['bytes behind its end', Buffer.concat([dicom({}), Buffer.alloc(1000, 1)]), past],
    [
      '65535x65535 pixels',
      dicom({ ...us(TAG.rows, 65535), ...us(TAG.columns, 65535) }),
      '65535x65535 need 12884508675',
    ],
    ['fewer rows than pixels', dicom(us(TAG.rows, 40)), 'its pixel data has 8064 bytes; 1 frames of 56x40 have 6720'],
    ['rows without a value', dicom({ [TAG.rows]: element(TAG.rows, 'US', '') }), 'holds no picture (56x0)'],
    ['no pixel data', stated(none), 'holds no picture (56x48, no pixel data)'],
    [
      'two pixel data, the second short',
      stated(Buffer.concat([PIXELS, Buffer.alloc(4)].map((bytes) => element(TAG.pixels, 'OB', bytes)))),
      'ends after 4 bytes',
    ],
    ...['-3', '0', 'many', '1.5e3', 'Infinity', '999999999999'].map(
      (count) => [`${count} frames`, dicom(frames(count)), `it states "${count}" frames`] as const,
    ),
    ['100,000 frames', dicom(frames('100000')), '100000 frames of 56x48 need 806400000'],
    ['no color model', dicom({ [TAG.photometric]: null }), 'its colors are not stated'],
    ...['CMYK', 'MONOCHROME2', '__proto__', 'constructor'].map(
      (model) => [`colors ${model}`, dicom(colors(model)), `its colors are ${model} with 3 samples`] as const,
    ),
    ['halved colors outside of JPEG', dicom(colors('YBR_FULL_422')), 'YBR_FULL_422 is read within JPEG alone'],
    ['65535 samples', dicom(us(TAG.samples, 65535)), 'with 65535 samples per pixel'],
    ['planes of a third kind', dicom(us(TAG.planar, 9)), 'its planar configuration is 9'],
    ['1 bit', dicom({ ...us(TAG.allocated, 1), ...us(TAG.stored, 1) }), 'it has 1 bits in 1 per sample'],
    ['7 of 8 bits', dicom(us(TAG.stored, 7)), 'it has 7 bits in 8 per sample'],
    ['unstated bits', dicom({ [TAG.allocated]: null }), 'it has 8 bits in 0 per sample'],
    ['a sixteenth bit of eight', dicom(us(TAG.highBit, 15)), 'the highest of its 8 bits is number 15'],
    ['a sign', dicom(us(TAG.signed, 1)), 'its samples have a sign'],
    ['compressed pixels that are stated as plain', stated(pieces(none, [PIXELS])), 'its pixels are compressed'],
    ['plain pixels that are stated as JPEG', dicom({}, { syntax: SYNTAX.jpeg }), 'its pixels are not compressed'],
    ['plain elements that are stated as deflated', dicom({}, { syntax: SYNTAX.deflated }), 'damaged'],
    ['plain elements that are stated as big-endian', dicom({}, { syntax: '1.2.840.10008.1.2.2' }), 'damaged'],
    ['elements of kinds that are stated to have none', dicom({}, { syntax: '1.2.840.10008.1.2' }), 'holds no picture'],
    ...['__proto__', 'constructor', '\u001b[31mred\n'].map(
      (syntax) =>
        [`the transfer syntax ${JSON.stringify(syntax)}`, dicom({}, { syntax }), 'its pixels are stored as "'] as const,
    ),
    ['an empty transfer syntax', dicom({}, { syntax: '' }), 'stored as the file does not say'],
    ['no piece', compressed(pieces(none, [])), 'its pixel data ends after 0 pieces'],
    ['no offset table', compressed(element(TAG.pixels, 'OB', tag(0xfffe, 0xe0dd, 0), UNDEFINED)), 'offset table'],
    ['an empty piece', compressed(pieces(none, [none])), 'its JPEG has no frame header'],
    ['a piece without its end', compressed(pieces(none, [jpeg], none)), 'missing sequence delimiter'],
    [
      'a piece under another tag',
      compressed(pieces(none, [jpeg], Buffer.concat([tag(0x1234, 0x5678, 4), longs(0), tag(0xfffe, 0xe0dd, 0)]))),
      'unexpected tag x12345678',
    ],
    ['a piece longer than the file', compressed(pieces(none, [jpeg], tag(0xfffe, 0xe000, 0xfffffff0))), past],
    ['a frame fewer than stated', compressed(pieces(none, [jpeg, jpeg]), frames('3')), 'its pixel data ends after 2'],
    ['a frame more than stated', compressed(pieces(none, [jpeg, jpeg])), 'it states 1 frame and holds 2 JPEGs'],
    [
      'a plain frame more than stated',
      stated(element(TAG.pixels, 'OB', Buffer.concat([PIXELS, PIXELS]))),
      'has 16128 bytes; 1 frames',
    ],
    [
      'three pieces of nothing for two frames',
      compressed(
        pieces(
          none,
          [1, 2, 3].map(() => Buffer.alloc(99)),
        ),
        two,
      ),
      'cannot be told apart as 2 frames',
    ],
    ['an offset table that points beside a piece', table(0, 3), 'could not find fragment'],
    ['an offset table that points outside', table(0, 0xfffffff8), 'could not find fragment'],
    ['an offset table of one place', table(0, 0), 'does not list the frames in their order'],
    ['an offset table that runs backwards', table(jpeg.length + 8, 0), 'does not list the frames in their order'],
    ['an offset table of three frames for two', table(0, 8, 16), 'its offset table lists 3 frames, not 2'],
    ['an RLE frame of nothing', compressed(pieces(none, [Buffer.alloc(64)]), {}, SYNTAX.rle), 'states 0 segments'],
    [
      'RLE in two pieces for a frame',
      compressed(pieces(none, [jpeg, jpeg]), {}, SYNTAX.rle),
      '1 frames of 56x48 have 1',
    ],
    ['a JPEG that is a text', compressed(pieces(none, [Buffer.alloc(600, 'no picture ')])), 'no frame header'],
    ['a JPEG of 12 bits', framed(4, 12), 'its JPEG has 12 bits per sample'],
    ['a JPEG of another size', framed(6, 49), 'it states 56x48 pixels, its JPEG has 56x49'],
    [
      'a baseline JPEG that is stated as lossless',
      compressed(pieces(none, [jpeg]), {}, SYNTAX.lossless),
      'it states a lossless JPEG',
    ],
    ['a lossless JPEG that is stated as baseline', framed(1, 0xc3), 'it states a lossy JPEG'],
    ['the mark alone', marked('', ''), 'missing required meta header'],
    [
      'the mark in a text',
      marked('A letter about pictures.', ' is the mark of such files.\n'.repeat(20)),
      'or not a DICOM file',
    ],
    [
      'the mark in an archive',
      marked('PK\u0003\u0004', 'PK\u0001\u0002 the rest of it'.repeat(20)),
      'or not a DICOM file',
    ],
  ];
}
