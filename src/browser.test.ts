/** Tier: no adapter. What the package gives in a browser: a bundle of it holds no Node module and no native package. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import * as browser from './browser.ts';
import * as node from './index.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

it('bundles for browsers without any package, and without what is for Node', async () => {
  const { metafile, warnings } = await build({
    entryPoints: ['src/browser.ts'],
    absWorkingDir: root,
    bundle: true,
    platform: 'browser',
    format: 'esm',
    metafile: true,
    write: false,
  });
  expect(warnings).toEqual([]);
  const inputs = Object.keys(metafile.inputs);
  expect(inputs).toContain('src/engine/gpu/device.ts');
  expect(inputs.filter((path) => !path.startsWith('src/') || path.startsWith('src/engine/node/'))).toEqual([]);
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  expect(imported).toEqual([]);
});

it('is all in the Node entry too', () => {
  expect(Object.keys(node)).toEqual(expect.arrayContaining(Object.keys(browser)));
});
