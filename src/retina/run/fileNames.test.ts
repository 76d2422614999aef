/** Tier: no adapter. A run's files are named in fileNames.ts, described in docs/files.md, and joined nowhere outside this folder. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { CROSS_VALIDATION_FILES, foldName, RUN_FILES, stampedNames } from './fileNames.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const names = [...Object.values(RUN_FILES), ...Object.values(CROSS_VALIDATION_FILES)];
/** What the names that are made begin with. */
const stems = [
  ...Object.values(stampedNames('')).map((name) => name.replace(/\..*/, '')),
  foldName(0).replace(/\d/, ''),
];

/** Names that are not a run's, though they read alike. */
const OTHERS: Readonly<Record<string, string>> = {
  [join('cli', 'data.ts')]: 'metadata.json',
};

const sources = ['src', 'cli', 'bench'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => /\.ts$/.test(file) && !/\.test\.ts$|testsupport\.ts$|node_modules/.test(file))
    .filter((file) => !file.startsWith(join('src', 'retina', 'run') + sep)),
);

it('no source outside src/retina/run names a file of a run', () => {
  const found = sources.flatMap((file) => {
    const code = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
    const quoted = code.match(/(?<=['"`/])[\w.-]+(?=['"`])|(?<=['"`/])[a-z_]+[_-](?=\$\{)/g) ?? [];
    const hits = quoted.filter((text) => (names as string[]).includes(text) || stems.includes(text));
    return hits.filter((text) => OTHERS[file] !== text).map((text) => `${file}: ${text}`);
  });
  expect(sources.length).toBeGreaterThan(300);
  expect(found).toEqual([]);
});

it('docs/files.md describes every file', () => {
  const page = readFileSync(join(root, 'docs', 'files.md'), 'utf8');
  const described = [...names, ...Object.values(stampedNames('TIME')), 'fold-1'];
  expect(described.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
