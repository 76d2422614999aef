/** Tier: no adapter. Who may import whom: one table of folders, held against every import of the sources. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import ownPackage from '../package.json' with { type: 'json' };

const ENGINE = [
  'tensor',
  'gpu',
  'ops',
  'autograd',
  'nn',
  'optim',
  'models',
  'io',
  'onnx',
  'check',
  'tuning',
  'node',
].map((folder) => `engine/${folder}`);

/** What every file may import. */
const ANYWHERE = ['engine/errors.ts', 'engine/arguments.ts', 'engine/printable.ts'];

/** Folder → the folders it may import from, besides itself and what is allowed {@link ANYWHERE}. What is not listed may import nothing else. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'engine/tensor': [],
  'engine/gpu': ['engine/tensor'],
  'engine/ops': ['engine/tensor', 'engine/gpu'],
  'engine/autograd': ['engine/tensor', 'engine/gpu', 'engine/ops'],
  'engine/nn': ['engine/tensor', 'engine/ops', 'engine/autograd'],
  'engine/optim': ['engine/tensor', 'engine/ops', 'engine/autograd'],
  'engine/models': ['engine/tensor', 'engine/ops', 'engine/autograd', 'engine/nn'],
  'engine/io': ['engine/tensor'],
  'engine/onnx': ['engine/tensor', 'engine/ops', 'engine/autograd', 'engine/nn', 'engine/io'],
  'engine/check': ['engine/tensor', 'engine/gpu', 'engine/ops', 'engine/autograd'],
  'engine/tuning': ['engine/tensor', 'engine/gpu', 'engine/ops', 'engine/autograd', 'engine/check'],
  // The only folder of the engine with Node modules and native packages.
  'engine/node': ['engine/tensor', 'engine/gpu', 'engine/ops', 'engine/autograd', 'engine/io', 'engine/tuning'],

  // The stair of retina: train → evaluate → predict → run, network → data → report → config, metrics → domain.
  'retina/domain': [],
  'retina/random': ['engine/tensor'],
  'retina/metrics': ['engine/tensor', 'retina/domain'],
  // config/file.ts reads what a user wrote; tsconfig.browser.json holds the rest to what a browser has.
  'retina/config': ['engine/node', 'retina/domain'],
  'retina/report': ['engine/node', 'retina/domain', 'retina/metrics', 'retina/config'],
  'retina/data': ['engine/tensor', 'engine/node', ...stair('retina/report')],
  'retina/network': [...ENGINE.filter((folder) => folder !== 'engine/node'), ...stair('retina/data')],
  'retina/run': ['engine/io', 'engine/node', ...stair('retina/data')],
  'retina/predict': [...ENGINE, ...stair('retina/run', 'retina/network')],
  'retina/evaluate': [...ENGINE, ...stair('retina/predict')],
  'retina/train': [...ENGINE, ...stair('retina/evaluate')],
  // Beside training: what others read of a run.
  'retina/export': [...ENGINE, ...stair('retina/evaluate')],
};

/** These steps and all below them. */
function stair(...tops: readonly string[]): readonly string[] {
  const order = [
    'retina/evaluate',
    'retina/predict',
    'retina/run',
    'retina/network',
    'retina/data',
    'retina/report',
    'retina/config',
    'retina/metrics',
    'retina/domain',
    'retina/random',
  ];
  const from = Math.min(...tops.map((top) => order.indexOf(top)));
  // run and network stand side by side.
  return order.slice(from);
}

/** Folders whose files run in browsers: nothing of Node and nothing native. */
const BROWSER = [
  ...ENGINE.filter((folder) => folder !== 'engine/node'),
  'retina/domain',
  'retina/random',
  'retina/metrics',
  'retina/network',
];

/** Packages that are plain JavaScript and run anywhere. */
const PORTABLE = ['zod', 'fastest-levenshtein', '@bufbuild/protobuf', '@bufbuild/protobuf/wire', 'onnx-buf'];

const SOURCE = dirname(fileURLToPath(import.meta.url));

interface Import {
  readonly file: string;
  readonly target: string;
  readonly isType: boolean;
}

const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.ts') && !/\.test\.ts$|(^|\/)testsupport\.ts$/.test(file));

function importsOf(file: string): Import[] {
  const text = readFileSync(join(SOURCE, file), 'utf8');
  const found = text.matchAll(/(?:^(?:import|export)\b[^'"`;]*?\bfrom\s+|^import\s+|\bimport\()'([^']+)'/gm);
  return [...found].map(([whole, target]) => ({
    file,
    target: target.startsWith('.') ? posix.join(posix.dirname(file), target) : target,
    isType: /^(import|export) type\b/.test(whole),
  }));
}

/** `engine/ops` of `engine/ops/unary/op.ts`; `retina/domain` of `retina/domain.ts`; '' of entry files. */
const folderOf = (file: string): string => {
  const parts = file.split('/');
  return parts.length === 1 ? '' : parts.slice(0, 2).join('/').replace(/\.ts$/, '');
};

const imports = files.flatMap(importsOf);
const isInside = ({ target }: Import): boolean => target.endsWith('.ts');

describe('imports', () => {
  it('are found at all', () => {
    expect(files.length).toBeGreaterThan(200);
    expect(imports.filter(isInside).length).toBeGreaterThan(1000);
  });

  it('follow the table, and never point back up', () => {
    const wrong = imports.filter(isInside).filter(({ file, target }) => {
      const [from, to] = [folderOf(file), folderOf(target)];
      if (from === '' || from === to || ANYWHERE.includes(target)) return false;
      return !(MAY_IMPORT[from] ?? []).includes(to);
    });
    expect(wrong.map(({ file, target }) => `${file} → ${target}`)).toEqual([]);
  });

  it('stay free of Node and native packages where a browser runs the code', () => {
    const wrong = imports.filter(
      (one) => !isInside(one) && BROWSER.includes(folderOf(one.file)) && !PORTABLE.includes(one.target),
    );
    expect(wrong.map(({ file, target }) => `${file} → ${target}`)).toEqual([]);
  });

  it('load the optional packages in one place', () => {
    const wrong = imports.filter(({ target, isType }) => !isType && target in ownPackage.optionalDependencies);
    expect(wrong.map(({ file, target }) => `${file} → ${target}`)).toEqual([]);
  });

  it('go in no circles but one', () => {
    const next = new Map<string, string[]>();
    for (const { file, target } of imports.filter(isInside)) next.set(file, [...(next.get(file) ?? []), target]);
    const circles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) {
        circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
        return;
      }
      if (done.has(file)) return;
      for (const target of next.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    // A tensor knows its engine and its node, and both make tensors: one idea in three files.
    const accepted = /^engine\/autograd\/(engine|graph|tensor)\.ts( → engine\/autograd\/(engine|graph|tensor)\.ts)+$/;
    expect(circles.filter((circle) => !accepted.test(circle))).toEqual([]);
  });
});

describe('src/', () => {
  it('holds engine, retina and entry files alone', () => {
    const folders = [...new Set(files.map(folderOf).map((folder) => folder.split('/')[0]))].filter(Boolean);
    expect(folders.sort()).toEqual(['engine', 'retina']);
  });
});
