/** Tier: no adapter. What optional packages are for, and what is said where one is missing. */
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import ownPackage from '../../../package.json' with { type: 'json' };
import { dawnVersion, importOptional, missingText, requireOptional, resolveOptional } from './optional.ts';

it('knows what each optional dependency is for, and finds it', () => {
  for (const name of Object.keys(ownPackage.optionalDependencies)) {
    expect(existsSync(resolveOptional(name as 'sharp', name.startsWith('dejavu') ? '/package.json' : ''))).toBe(true);
  }
  expect(missingText()).toBeNull();
  expect(dawnVersion()).toMatch(/^\d+\.\d+\.\d+$/);
});

it('names the package, what it is for, and how to get it', async () => {
  const missing =
    /^The package webgpu is not installed; gmtl needs it to reach a GPU .* `npm install webgpu@\^[\d.]+` this one alone\.$/;
  expect(() => resolveOptional('webgpu', '/nothing.js')).toThrow(missing);
  expect(() => resolveOptional('webgpu', '/nothing.js')).toThrow(expect.objectContaining({ code: 'install/missing' }));
});

it('gives the module', async () => {
  expect(requireOptional<typeof import('tar-stream')>('tar-stream').extract).toBeTypeOf('function');
  expect((await importOptional<typeof import('tar-stream')>('tar-stream')).extract).toBeTypeOf('function');
});
