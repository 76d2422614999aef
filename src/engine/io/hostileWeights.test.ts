/** Tier: no adapter. A generated corpus of hostile weights: pickles that would run code, bombs, cycles, lies and noise, as PyTorch files and ONNX models. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { readFileSync } from 'node:fs';
import { ModelProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { LONG_TESTS } from '../../../kernels-test/long.ts';
import { GmtlError } from '../errors.ts';
import { readOnnxWeights } from '../onnx/readWeights.ts';
import { Generator } from '../tensor/random.ts';
import { archive, global, pickled, refusal, tensor, text, u32, unicode, zip } from './testsupport.ts';
import { zipMembers } from './zip.ts';

/** Nor does it hold what moves a terminal's cursor, eight-bit controls too, or turns its text around. */
const ONE_LINE = /^torch\/(refused|no-weights|dtype): evil\.pth: [^\p{Cc}\u202a-\u202e\u2066-\u2069]+$/u;

/** What attacks on pickles call. */
const CALLABLES = [
  ...['os.system', 'posix.system', 'nt.system', 'os.popen', 'os.execv', 'subprocess.Popen', 'subprocess.check_output'],
  ...['builtins.eval', 'builtins.exec', 'builtins.__import__', 'builtins.getattr', 'builtins.open', '__builtin__.eval'],
  ...['sys.exit', 'runpy.run_path', 'importlib.import_module', 'pickle.loads', 'marshal.loads', 'operator.attrgetter'],
  ...['torch.load', 'torch.hub.load', 'torch.jit.load', 'torch._utils._rebuild_qtensor', 'torch.nn.Module', 'torch'],
  ...[
    'torch.FloatStorage.__init__',
    'collections.OrderedDict.fromkeys',
    'collections.OrderedDict\u001b[2J',
    'os\nsystem',
    'os.\u009b2J\u007f\u202e',
  ],
  ...['numpy.core.multiarray._reconstruct', 'numpy.load', 'codecs.decode', 'webbrowser.open', 'socket.socket'],
];
const PROTOCOLS = [0, 2, 4, 5];
const split = (name: string): [string, string] => {
  const at = name.lastIndexOf('.');
  return [name.slice(0, Math.max(at, 0)), name.slice(at + 1)];
};
/** How a pickle can name a callable and call it: GLOBAL and STACK_GLOBAL with REDUCE, INST, OBJ, NEWOBJ, NEWOBJ_EX, BUILD, extensions. */
const CALLS: Readonly<Record<string, (module: string, name: string) => number[]>> = {
  reduce: (module, name) => [...global(module, name), ...unicode('true'), 0x85, 0x52],
  stackGlobal: (module, name) => [...unicode(module), ...unicode(name), 0x93, ...unicode('true'), 0x85, 0x52],
  inst: (module, name) => [0x28, ...unicode('true'), 0x69, ...text(`${module}\n${name}\n`)],
  obj: (module, name) => [0x28, ...global(module, name), ...unicode('true'), 0x6f],
  newobj: (module, name) => [...global(module, name), 0x29, 0x81],
  newobjEx: (module, name) => [...global(module, name), 0x29, 0x7d, 0x92],
  build: (module, name) => [...global(module, name), 0x7d, 0x62],
};

describe('a pickle that would run code is refused by what it names,', () => {
  it('by as many names as docs/interop.md says', () => {
    const said = readFileSync(new URL('../../../docs/interop.md', import.meta.url), 'utf8');
    expect(said).toContain(`${CALLABLES.length} callables in ${Object.keys(CALLS).length} ways`);
  });

  it.each(Object.entries(CALLS))('called by %s, in every protocol', (_, call) => {
    for (const [index, callable] of CALLABLES.entries()) {
      for (const protocol of LONG_TESTS ? PROTOCOLS : [PROTOCOLS[index % PROTOCOLS.length]]) {
        const pickle = pickled(call(...split(callable)));
        pickle[1] = protocol;
        const got = refusal(zip([['m/data.pkl', pickle]]));
        expect(got).toMatch(ONE_LINE);
        expect(got).toMatch(/^torch\/refused: .*(runs no code|operation 0x)/);
      }
    }
  });

  it.each([0x82, 0x83, 0x84, 0x8e, 0x8f, 0x90, 0x91, 0x96, 0x97, 0x98, 0x50, 0xff, 0x00])(
    'by the operation 0x%s (extensions, sets, buffers, foreign ids, none)',
    (code) => {
      expect(refusal(archive([0x4e, code, 1, 0, 0, 0, 0, 0, 0, 0]))).toMatch(/operation 0x/);
    },
  );
});

/** A value in which each of `levels` tuples holds the one below it twice: small as a graph, endless as text. */
const doubled = (levels: number): number[] => [
  ...unicode('x'),
  ...Array.from({ length: levels }, (_, level) => [0x72, ...u32(level), 0x6a, ...u32(level), 0x86]).flat(),
];
const repeated = (count: number, part: readonly number[]): number[] => Array.from({ length: count }, () => part).flat();

describe('a bomb ends in one line, in little time and memory:', () => {
  const bombs: Record<string, [() => number[], RegExp]> = {
    'a key of 2^60 leaves': [() => [0x7d, ...doubled(60), 0x7d, 0x73], /no state dict/],
    'a callable of 2^60 leaves': [() => [...doubled(60), ...unicode('x'), 0x93], /other things than text/],
    'a shape of 2^60 leaves': [
      () => {
        const whole = tensor([1], [1]);
        const at = whole.lastIndexOf(0x89) - 14;
        return [...whole.slice(0, at), ...doubled(60), ...whole.slice(at + 7)];
      },
      /other things than numbers/,
    ],
    'one list of 3,000 pairs made into 3,000 dicts': [
      () => [
        ...[0x5d, 0x71, 0, 0x28],
        ...repeated(3000, [0x4b, 1, 0x4b, 2, 0x86]),
        ...[0x65, 0x30, ...global('collections', 'OrderedDict'), 0x71, 1, 0x30],
        ...repeated(3000, [0x68, 1, 0x68, 0, 0x85, 0x52]),
      ],
      /no state dict/,
    ],
    'one storage under many names': [
      () => {
        const whole = tensor([4], [1]);
        const value = whole.slice(whole.indexOf(0x63), -1);
        const names = Array.from({ length: LONG_TESTS ? 5000 : 500 }, (_, at) => [...unicode(`w${at}`), 0x68, 9, 0x73]);
        return [...value, 0x71, 9, 0x30, 0x7d, ...names.flat()];
      },
      /read 50+ tensors|many times the elements/,
    ],
    'a tensor of 10,000 dimensions': [
      () => tensor(new Array<number>(10_000).fill(1), new Array<number>(10_000).fill(0)),
      /other things than numbers/,
    ],
    'a list within itself, 50,000 times': [
      () => [0x5d, 0x71, 0, ...repeated(50_000, [0x68, 0, 0x61])],
      /no state dict/,
    ],
    'dicts within each other as keys': [
      () => [0x7d, 0x71, 0, ...repeated(1000, [0x68, 0, 0x68, 0, 0x73])],
      /no state dict/,
    ],
    'a name with control characters': [
      () => {
        const whole = tensor([1], [1], 4, 'ByteStorage');
        return [0x7d, ...unicode('\u001b[2J\u009b\u202e\nok'), ...whole.slice(whole.indexOf(0x63))];
      },
      /tensor \\u001b\[2J\\u009b\\u202e\\nok is of type Byte/,
    ],
  };
  it.each(Object.entries(bombs))('%s', (_, [operations, reason]) => {
    // What is not bounded would end with this process, or not at all.
    const got = refusal(archive(operations()));
    expect(got).toMatch(reason);
    if (!got.startsWith('read')) expect(got).toMatch(ONE_LINE);
  });

  it('one storage of 64 KiB under many names has too many elements', () => {
    const whole = tensor([16_384], [1], 16_384);
    const value = whole.slice(whole.indexOf(0x63), -1);
    const names = Array.from({ length: LONG_TESTS ? 4000 : 60 }, (_, at) => [...unicode(`w${at}`), 0x68, 9, 0x73]);
    const pickle = pickled([...value, 0x71, 9, 0x30, 0x7d, ...names.flat()]);
    const members = [['m/data.pkl', pickle] as const, ['m/data/0', new Uint8Array(65_536)] as const];
    expect(refusal(zip(members))).toMatch(/many times the elements/);
  });
});

describe('a pickle of noise is read or refused in one line:', () => {
  it('cut anywhere, in an archive that is whole', () => {
    const members = [...zipMembers(readFileSync(new URL('fixtures/checkpoint.pth', import.meta.url)))];
    const at = members.findIndex(([name]) => name.endsWith('/data.pkl'));
    const [name, whole] = members[at];
    for (let length = 0; length < whole.length; length += LONG_TESTS ? 1 : 47) {
      const cut = members.with(at, [name, whole.subarray(0, length)]);
      expect(refusal(zip(cut))).toMatch(/^torch\/refused: evil\.pth: .*it is cut short/);
    }
  });

  it('operations in any order', () => {
    const operations = [
      ...[0x28, 0x29, 0x2e, 0x30, 0x31, 0x32, 0x42, 0x43, 0x46, 0x47, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x51, 0x52],
      ...[0x53, 0x54, 0x55, 0x56, 0x58, 0x5d, 0x61, 0x62, 0x63, 0x64, 0x65, 0x67, 0x68, 0x6a, 0x6c, 0x70, 0x71, 0x72],
      ...[0x73, 0x74, 0x75, 0x7d, 0x80, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x93, 0x94, 0x95],
    ];
    const generator = new Generator(8);
    const storage = tensor([2], [1]);
    const kinds = new Set<string>();
    for (let round = 0; round < (LONG_TESTS ? 5000 : 150); round++) {
      const noise = Array.from({ length: 1 + generator.integer(24) }, () => [
        operations[generator.integer(operations.length)],
        ...(generator.integer(3) === 0 ? [generator.integer(4)] : []),
        ...(generator.integer(12) === 0 ? storage : []),
      ]).flat();
      const got = refusal(archive([...Array.from({ length: generator.integer(3) }, () => storage).flat(), ...noise]));
      if (!got.startsWith('read')) expect(got).toMatch(ONE_LINE);
      kinds.add(got.replaceAll(/\d+/g, '#').slice(0, 90));
    }
    // Not all of them end at the same check.
    expect(kinds.size).toBeGreaterThan(10);
  });
});

describe('an archive that lies is refused, and nothing of it touches the disk:', () => {
  const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const good = (): Uint8Array => archive(tensor([2], [1]));
  const lied = (edit: (bytes: Uint8Array, at: DataView, end: number, directory: number) => void): Uint8Array => {
    const bytes = good();
    const end = bytes.length - 22;
    edit(bytes, view(bytes), end, view(bytes).getUint32(end + 16, true));
    return bytes;
  };
  /** The archive with a ZIP64 end that states these members at this place. */
  const wide = (count: bigint, directory: bigint, locator?: bigint): Uint8Array => {
    const bytes = good();
    const [head, end] = [bytes.subarray(0, bytes.length - 22), bytes.slice(bytes.length - 22)];
    const record = new Uint8Array(76);
    const at = view(record);
    at.setUint32(0, 0x06064b50, true);
    at.setBigUint64(32, count, true);
    at.setBigUint64(48, directory, true);
    at.setUint32(56, 0x07064b50, true);
    at.setBigUint64(64, locator ?? BigInt(head.length), true);
    view(end).setUint16(10, 0xffff, true);
    return Uint8Array.from([...head, ...record, ...end]);
  };
  const lies: Record<string, [() => Uint8Array, RegExp]> = {
    'members by the thousand': [() => lied((_, at, end) => at.setUint16(end + 10, 60_000, true)), /claims 60000/],
    'a directory outside': [() => lied((_, at, end) => at.setUint32(end + 16, 0xfffffff0, true)), /outside it/],
    'a member of 4 GB': [
      () =>
        lied((_, at, __, directory) => {
          for (const of of [20, 24]) at.setUint32(directory + of, 0xfffffffe, true);
        }),
      /outside it/,
    ],
    'two sizes (a bomb)': [() => lied((_, at, __, directory) => at.setUint32(directory + 24, 9e8, true)), /two sizes/],
    'a compressed member': [() => lied((_, at, __, directory) => at.setUint16(directory + 10, 8, true)), /compressed/],
    'an encrypted member': [() => lied((_, at, __, directory) => at.setUint16(directory + 8, 1, true)), /encrypted/],
    'a member that is the directory': [
      () => lied((_, at, __, directory) => at.setUint32(directory + 42, directory, true)),
      /not where the directory says/,
    ],
    'one member twice': [
      () =>
        zip([
          ['m/data.pkl', pickled([0x7d])],
          ['m/data.pkl', pickled([0x7d])],
        ]),
      /overlaps/,
    ],
    'ZIP64 of 2^60 members': [() => wide(2n ** 60n, 0n), /claims 11529215046068\d+ members/],
    'ZIP64 with a directory at 2^63': [() => wide(2n, 2n ** 63n), /outside it/],
    'ZIP64 whose end is elsewhere': [() => wide(2n, 0n, 2n ** 62n), /outside it/],
    'ZIP64 whose directory is another thing': [() => wide(2n, 8n), /damaged/],
    'a name with control characters': [
      () =>
        zip([
          ['\u001b[31m\r\n/data.pkl', pickled([0x7d])],
          ['\u001b[31m\r\n/data.pkl', pickled([0x7d])],
        ]),
      /\\u001b\[31m\\r\\n/,
    ],
    'an absolute name': [() => zip([['/etc/data.pkl', pickled([0x7d])]]), /no data\.pkl/],
    'a name that leads out': [() => zip([['../../data.pkl', pickled([0x7d])]]), /no data\.pkl/],
    'a folder of dots': [() => zip([['../data.pkl', pickled([0x7d])]]), /no state dict/],
  };
  it.each(Object.entries(lies))('%s', (_, [make, reason]) => {
    const got = refusal(make());
    expect(got).toMatch(ONE_LINE);
    expect(got).toMatch(reason);
  });
});

describe('an ONNX model that is hostile is refused in one line:', () => {
  const onnxRefusal = (bytes: Uint8Array): string => {
    try {
      return `read ${readOnnxWeights(bytes, 'evil.onnx').size} tensors`;
    } catch (error) {
      if (!(error instanceof GmtlError)) throw error;
      expect(error.message).toMatch(/^evil\.onnx: [^\p{Cc}]+$/u);
      return `${error.code}: ${error.message}`;
    }
  };
  const field = (number: number, bytes: Uint8Array): Uint8Array =>
    new BinaryWriter()
      .uint32((number << 3) | 2)
      .bytes(bytes)
      .finish();
  /** A model with one initializer: dims, type (1: float32), raw bytes. */
  const weights = (dims: readonly (bigint | number)[], bytes: number, type = 1, name = 'w'): Uint8Array => {
    const one = new BinaryWriter();
    for (const extent of dims) one.uint32(8).int64(BigInt(extent));
    one.uint32(16).int32(type).uint32(66).string(name).uint32(74).bytes(new Uint8Array(bytes));
    return field(7, field(5, one.finish()));
  };
  const cases: Record<string, [() => Uint8Array, RegExp]> = {
    'graphs within graphs, 300 deep': [
      () => {
        let graph = new Uint8Array();
        // graph ← node (1) ← attribute (5) ← graph (6)
        for (let depth = 0; depth < 300; depth++) graph = Uint8Array.from(field(1, field(5, field(6, graph))));
        return field(7, graph);
      },
      /holds no weights/,
    ],
    'empty nodes by the hundred thousand': [
      () =>
        field(
          7,
          new Uint8Array(LONG_TESTS ? 2e6 : 2e5).map((_, at) => (at % 2 === 0 ? 10 : 0)),
        ),
      /holds no weights/,
    ],
    'empty initializers by the ten thousand': [
      () =>
        field(
          7,
          new Uint8Array(LONG_TESTS ? 2e5 : 2e4).map((_, at) => (at % 2 === 0 ? 42 : 0)),
        ),
      /holds no weights/,
    ],
    'negative sizes that fit': [() => weights([-2, -2], 16), /has no shape/],
    'a size beyond all numbers': [() => weights([2n ** 62n, 4], 16), /has no shape/],
    'sizes whose product is too large': [() => weights([2 ** 30, 2 ** 30], 16), /has not as many elements/],
    '10,000 dimensions': [() => weights(new Array<number>(10_000).fill(1), 4), /has no shape/],
    'fewer bytes than elements': [() => weights([5], 16), /has not as many elements/],
    'bytes that are not elements': [() => weights([5], 17), /has not as many elements/],
    'another type than weights have': [() => weights([16], 16, 3), /holds no weights/],
    'a name with control characters': [() => weights([5], 16, 1, '\u001b[2J\n'), /\\u001b\[2J\\n of shape/],
    'a length beyond the file': [() => Uint8Array.of(58, 0xff, 0xff, 0xff, 0xff, 0x0f), /damaged/],
    'a text': [() => Uint8Array.from(text('<html>not found</html>')), /damaged|no weights/],
  };
  it.each(Object.entries(cases))('%s', (_, [make, reason]) => {
    const got = onnxRefusal(make());
    expect(got).toMatch(/^onnx\/refused: /);
    expect(got).toMatch(reason);
  });

  it('cut after every byte, or with any byte changed: read or refused', () => {
    const model = toBinary(ModelProtoSchema, fromBinary(ModelProtoSchema, weights([2, 2], 16)));
    expect(onnxRefusal(model)).toBe('read 1 tensors');
    for (let length = 0; length < model.length; length++)
      expect(onnxRefusal(model.subarray(0, length))).toMatch(/^onnx/);
    const generator = new Generator(4);
    for (let at = 0; at < model.length; at++) {
      for (let round = 0; round < 8; round++) {
        const changed = Uint8Array.from(model);
        changed[at] = generator.integer(256);
        onnxRefusal(changed);
      }
    }
  });
});
