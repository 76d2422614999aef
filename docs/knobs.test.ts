/** Tier: no adapter. docs/knobs.md is the schema of the configuration, written out. After a change: `npx vitest run docs/knobs.test.ts -u`. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeConfig } from '../src/retina/config/resolve.ts';

/** `[integer, 1 or more; integer, 1 or more; …]` → `list of 4: integer, 1 or more`. */
function short(type: string): string {
  const parts = /^\[(.*)\]$/.exec(type)?.[1].split('; ') ?? [];
  return parts.length > 1 && new Set(parts).size === 1 ? `list of ${parts.length}: ${parts[0]}` : type;
}

/** Where knobs are read, by the start of their names, the longest that fits: the first of these files whose code has the knob's name. */
const READERS: Readonly<Record<string, readonly string[]>> = {
  model: ['retina/network/build.ts', 'retina/network/multitask.ts', 'retina/train/trainingParts.ts'],
  'model.trunk.': ['engine/models/convnext.ts'],
  'model.unet.': ['retina/network/routedUnet.ts'],
  'model.unet.encoder.': ['engine/models/resnet.ts'],
  data: ['retina/run/dataset.ts', 'retina/data/loading/settings.ts', 'retina/train/trainingParts.ts'],
  'data.tiles.': ['retina/data/loading/settings.ts', 'retina/predict/pictureNetwork.ts'],
  'data.augment.': ['retina/data/loading/augment.ts'],
  'data.clahe.': ['retina/data/pictures/clahe.ts'],
  loss: [
    'retina/network/build.ts',
    'retina/train/weighting/index.ts',
    'retina/train/build.ts',
    'retina/train/objective.ts',
  ],
  'loss.classWeights': ['retina/train/classWeights.ts'],
  optimizer: ['retina/train/build.ts', 'retina/train/trainingParts.ts'],
  training: ['retina/network/precision.ts', 'retina/train/trainingParts.ts', 'retina/train/trainer.ts'],
  'training.init': ['retina/train/trainRun.ts'],
  'training.tensorboard': ['retina/train/trainRun.ts'],
  referral: ['retina/evaluate/referral.ts'],
  adapter: ['retina/train/trainRun.ts'],
};

const withoutComments = (source: string): string =>
  source.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/(?<!:)\/\/.*$/gm, '');

/** The file in `src/` that reads a knob first. */
function readerOf(path: string): string {
  const start = Object.keys(READERS)
    .filter((name) => path.startsWith(name))
    .sort((a, b) => b.length - a.length)[0];
  const name = new RegExp(`\\b${path.split('.').at(-1)}\\b`);
  const file = (READERS[start] ?? []).find((reader) =>
    name.test(withoutComments(readFileSync(new URL(`../src/${reader}`, import.meta.url), 'utf8'))),
  );
  if (file === undefined) throw new Error(`${path}: name the file that reads it in READERS`);
  return file;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('*', '\\*');
const link = (file: string): string => `[${file.split('/').slice(1).join('/')}](../src/${file})`;
const declaredIn = (section: string): string =>
  section === 'others' ? 'retina/config/schema.ts' : `retina/config/sections/${section}.ts`;
const code = (value: unknown): string => (value === undefined ? '' : `\`${JSON.stringify(value)}\``);

it('knobs.md lists every knob with its type, default, reason and first reader', async () => {
  const sections = new Map<string, string>();
  for (const { path, type, default: value, description } of describeConfig()) {
    const section = path.includes('.') ? path.split('.')[0] : 'others';
    const row = `| \`${path}\` | ${cell(short(type))} | ${code(value)} | ${cell(description)} | ${link(readerOf(path))} |\n`;
    sections.set(section, (sections.get(section) ?? '') + row);
  }
  const tables = [...sections].map(
    ([section, rows]) =>
      `\n## ${section}\n\nDeclared in ${link(declaredIn(section))}.\n\n` +
      `| knob | type | default | what it does | first read in |\n| --- | --- | --- | --- | --- |\n${rows}`,
  );
  const head =
    '# Every knob\n\nWritten by `docs/knobs.test.ts` from the schema of the configuration; rules between knobs stand in ' +
    '[src/retina/config/schema.ts](../src/retina/config/schema.ts). Set one with `npx gmtl train --set optimizer.lr=0.001`; [configuration.md](configuration.md) says how sources are merged.\n';
  await expect(head + tables.join('')).toMatchFileSnapshot('knobs.md');
});
