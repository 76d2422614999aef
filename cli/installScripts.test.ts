/** Tier: no adapter. Each package that would run a script when it is installed is decided on, so that `npm ci` neither asks nor warns. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (name: string) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));

it('package.json allows or denies every install script', () => {
  const packages: Record<string, { hasInstallScript?: boolean; os?: string[] }> = read('package-lock.json').packages;
  const scripted = Object.entries(packages)
    .filter(([path, { hasInstallScript }]) => path !== '' && hasInstallScript)
    .map(([path]) => path.split('node_modules/').at(-1));
  expect(Object.keys(read('package.json').allowScripts).sort()).toEqual([...new Set(scripted)].sort());
});
