/** Tier: no adapter. The parts of the comparison that need neither an adapter nor other engines: inputs, references, checks, ratios, tables. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { setEngine } from '../../src/engine/autograd/currentEngine.ts';
import { Engine } from '../../src/engine/autograd/engine.ts';
import { convnext } from '../../src/engine/models/convnext.ts';
import { ReferenceBackend } from '../../src/engine/ops/referenceBackend.ts';
import { compare, compareAll, KERNEL_TOLERANCE } from './check.ts';
import { measureWith } from './child.ts';
import type { PeerEngine } from './engine.ts';
import { bitsAt, makeInput, seedOf } from './inputs.ts';
import type { RowResult } from './protocol.ts';
import { computeReference } from './reference.ts';
import {
  compareRuns,
  type EngineColumn,
  type EngineRun,
  formatComparison,
  geometricMean,
  joinRepeats,
} from './summary.ts';
import { CHECKED_PARAMETERS, convnextParameters, makeInputs, type Workload, WORKLOADS } from './workloads.ts';

/** Printed by bits() and make_input() of torch.py. */
const PYTHON = {
  seed: 2872674481,
  bits: [688626174, 4086328991, 2965187449, 1401826957],
  uniform: [-1.176640272140503, 1.5637736320495605, 0.6595180630683899],
  labels: [674, 831, 221, 873],
};

describe('inputs', () => {
  it('are the numbers that torch.py makes too', () => {
    expect(seedOf('gelu/x')).toBe(PYTHON.seed);
    expect([0, 1, 2, 4816895].map((i) => bitsAt(seedOf('gelu/x'), i))).toEqual(PYTHON.bits);
    expect([...makeInput('gelu/x', 3, { kind: 'uniform', scale: Math.sqrt(3), shift: 0 })]).toEqual(
      PYTHON.uniform.map(Math.fround),
    );
    expect([...makeInput('cross-entropy/labels', 4, { kind: 'labels', below: 1000 })]).toEqual(PYTHON.labels);
  });

  it('are spread evenly and differ by name', () => {
    const data = Array.from(makeInput('a', 20_000, { kind: 'uniform', scale: 2, shift: 1 }));
    const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
    const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length;
    expect(mean).toBeCloseTo(1, 1);
    expect(variance).toBeCloseTo(4 / 3, 1);
    expect(Math.min(...data)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...data)).toBeLessThan(3);
    expect([...makeInput('b', 8, { kind: 'uniform', scale: 2, shift: 1 })]).not.toEqual([...data.slice(0, 8)]);
  });

  it('name every parameter of the model, in its shape', () => {
    const previous = setEngine(new Engine(new ReferenceBackend()));
    const parameters = [...convnext('atto', { classes: 1000 }).namedParameters()].map(([name, { shape }]) => ({
      name,
      shape,
    }));
    setEngine(previous);
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
    const listed = convnextParameters().map(({ name, shape }) => ({ name, shape: [...shape] }));
    expect(listed.sort(byName)).toEqual(
      parameters.map(({ name, shape }) => ({ name, shape: [...shape] })).sort(byName),
    );
    for (const name of CHECKED_PARAMETERS) expect(parameters.map((parameter) => parameter.name)).toContain(name);
  });
});

describe('the check', () => {
  const want = Float64Array.of(1, -2, 3, 0);

  it('lets float32 rounding pass', () => {
    const got = Float32Array.of(1 + 1e-6, -2, 3 - 1e-6, 1e-7);
    expect(compare('y', got, want, KERNEL_TOLERANCE)).toMatchObject({ ok: true, message: '' });
  });

  it.each([
    ['one element off', [1, -2, 3.1, 0], /^y is off by .* \(3\.1 at 2, should be 3\)$/],
    ['a small element far off what it can be', [1, -2, 3, 0.01], /0\.01 at 3/],
    ['zeros', [0, 0, 0, 0], /off by 1\.0e\+0/],
    ['not a number', [1, Number.NaN, 3, 0], /NaN at 1/],
    ['infinity', [1, -2, Number.POSITIVE_INFINITY, 0], /Infinity at 2/],
    ['too few', [1, -2, 3], /3 elements instead of 4/],
  ])('refuses %s', (_, got, message) => {
    const result = compare('y', got, want, KERNEL_TOLERANCE);
    expect(result.ok).toBe(false);
    expect(result.message).toMatch(message);
  });

  it('wants every result, and all of them right', () => {
    const wanted = new Map([
      ['y', want],
      ['dx', want],
    ]);
    expect(compareAll(wanted, wanted, KERNEL_TOLERANCE).ok).toBe(true);
    expect(compareAll(new Map([['y', want]]), wanted, KERNEL_TOLERANCE)).toMatchObject({ ok: false });
    const half = new Map([
      ['y', want],
      ['dx', want.map((value) => -value)],
    ]);
    expect(compareAll(half, wanted, KERNEL_TOLERANCE).message).toMatch(/^dx is off/);
  });
});

const tiny: Workload = {
  ...WORKLOADS[0],
  key: 'tiny',
  inputs: [
    { name: 'a', shape: [2, 3], fill: { kind: 'uniform', scale: 1, shift: 0 } },
    { name: 'b', shape: [3, 2], fill: { kind: 'uniform', scale: 1, shift: 0 } },
    { name: 'dy', shape: [2, 2], fill: { kind: 'uniform', scale: 1, shift: 0 } },
  ],
  output: [2, 2],
};

/** An engine whose run number n, counted from 1, gives `at(n)`. */
function fakeEngine(at: (run: number) => Map<string, ArrayLike<number>>): { engine: PeerEngine; runs: () => number } {
  let runs = 0;
  const engine: PeerEngine = {
    info: {},
    prepare: async () => ({
      run: () => {
        runs++;
      },
      wait: async () => {},
      results: async () => at(runs),
    }),
  };
  return { engine, runs: () => runs };
}

describe('a row', () => {
  it('is timed where the numbers are right, gradients too', async () => {
    const reference = await computeReference(tiny);
    expect([...reference.keys()]).toEqual(['y', 'da', 'db']);
    const [a, dy] = ['a', 'dy'].map((name) => makeInputs(tiny).get(name)!);
    // db = aᵀ dy
    expect(reference.get('db')![0]).toBeCloseTo(a[0] * dy[0] + a[3] * dy[2], 12);
    const { engine, runs } = fakeEngine(() => new Map(reference));
    const row = await measureWith(engine, tiny, 'both', reference, 0);
    expect(row).toMatchObject({ workload: 'tiny', pass: 'both', status: 'ok' });
    expect(row.samples).toHaveLength(5);
    expect(runs()).toBe(3 + 5);
  });

  it.each([1, 2, 8])('is broken, and has no time, where run %i gives wrong numbers', async (wrong) => {
    const reference = await computeReference(tiny);
    const { engine } = fakeEngine((run) => {
      const factor = run === wrong ? 1.01 : 1;
      return new Map([...reference].map(([name, data]) => [name, data.map((value) => value * factor)]));
    });
    const row = await measureWith(engine, tiny, 'both', reference, 0);
    expect(row.status).toBe('broken');
    expect(row.reason).toMatch(/^y is off by/);
    expect(row.samples).toBeUndefined();
    expect(row.median).toBeUndefined();
  });
});

const columns: readonly EngineColumn[] = [
  { name: 'gmtl', title: 'gmtl', role: 'self' },
  { name: 'eager', title: 'eager', role: 'shown' },
  { name: 'quick', title: 'Quick', role: 'rival' },
  { name: 'wrong', title: 'Wrong', role: 'rival' },
];

function runOf(engine: string, rows: readonly Partial<RowResult>[], repeat = 1): EngineRun {
  const [first, second] = WORKLOADS;
  const keys = [first.key, second.key];
  return {
    engine,
    repeat,
    info: {},
    rows: rows.map((row, i) => ({ workload: keys[i], pass: 'forward', status: 'ok', ...row })),
  };
}

describe('the comparison', () => {
  const runs = [
    runOf('gmtl', [
      { median: 2, firstCall: 9 },
      { median: 4, firstCall: 9 },
    ]),
    runOf(
      'gmtl',
      [
        { median: 3, firstCall: 5 },
        { median: 5, firstCall: 5 },
      ],
      2,
    ),
    runOf('eager', [
      { median: 1, firstCall: 1 },
      { median: 1, firstCall: 1 },
    ]),
    runOf('quick', [
      { median: 8, firstCall: 1 },
      { median: 1, firstCall: 1 },
    ]),
    runOf('wrong', [
      { status: 'broken', reason: 'y is off' },
      { median: 64, firstCall: 1 },
    ]),
  ];

  it('takes the smallest median of the repeats and compares with the fastest right rival', () => {
    const { rows, means } = compareRuns(columns, runs);
    expect(rows.map(({ ratio, verdict, fastest }) => [ratio, verdict, fastest?.engine])).toEqual([
      [4, 'faster', 'quick'],
      [0.25, 'slower', 'quick'],
    ]);
    expect(means.map(({ engine, ratio, rows: count }) => [engine, ratio, count])).toEqual([
      ['quick', expect.closeTo(1), 2],
      ['wrong', expect.closeTo(16), 1],
    ]);
  });

  it('never counts a row that was broken in any repeat', () => {
    const ok: RowResult = { workload: 'x', pass: 'forward', status: 'ok', median: 1, firstCall: 2 };
    expect(joinRepeats([ok, { ...ok, median: 0.5 }])).toEqual({ status: 'ok', milliseconds: 0.5, firstCall: 2 });
    const broken = joinRepeats([ok, { ...ok, status: 'broken', reason: 'zeros' }, { ...ok, status: 'failed' }]);
    expect(broken).toEqual({ status: 'broken', reason: 'zeros' });
  });

  it('says where gmtl itself is wrong or has no rival', () => {
    const wrong = runOf('gmtl', [{ status: 'broken', reason: 'y is off' }, { median: 4 }]);
    const { rows } = compareRuns(columns, [wrong, runOf('quick', [{ median: 1 }])]);
    expect(rows.map(({ verdict, ratio }) => [verdict, ratio])).toEqual([
      ['gmtl is not right', null],
      ['no right rival', null],
    ]);
  });

  it('is a Markdown table with every number and every reason', () => {
    const text = formatComparison(compareRuns(columns, runs));
    const lines = text.split('\n').map((line) => line.replace(/ +/g, ' '));
    expect(lines).toContain('| matmul 512x512x512, forward | 2.00 | 1.00 | 8.00 | broken | 4.00 | faster |');
    expect(lines).toContain('| matmul 1024x96x384, forward | 4.00 | 1.00 | 1.00 | 64.0 | 0.25 | **slower** |');
    expect(lines).toContain('- Wrong, broken: y is off (matmul 512x512x512, forward)');
    expect(lines).toContain('- Quick: 1.00 (2 rows in which both are right)');
  });

  it('means geometrically', () => {
    expect(geometricMean([1, 4, 16])).toBeCloseTo(4);
    expect(() => geometricMean([])).toThrow();
  });
});

describe("other engines' children", () => {
  // They are plain modules, which no compiler checks.
  const folder = new URL('./engines/', import.meta.url);
  const imports = readdirSync(folder)
    .filter((file) => file.endsWith('.mjs'))
    .flatMap((file) =>
      [
        ...readFileSync(new URL(file, folder), 'utf8').matchAll(/import \{([^}]*)\} from '[./]+\/dist\/([^']+)\.js'/g),
      ].map(([, names, module]) => [file, module, names!.split(',').map((name) => name.trim())] as const),
    );

  it('are found', () => {
    expect(imports.length).toBeGreaterThan(5);
  });

  it.each(imports)('%s imports what %s exports', async (_file, module, names) => {
    const exported: object = await import(new URL(`../../${module}.ts`, import.meta.url).href);
    expect(Object.keys(exported)).toEqual(expect.arrayContaining(names));
  });
});
