/**
 * Tier: any adapter. The TypeScript in README and the guides: whole programs are the files beside this one to the letter, which are compiled with
 * all else and run here; the others are excerpts of the sources.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';

const here = fileURLToPath(new URL('./', import.meta.url));
const read = (path: string): string => readFileSync(join(here, path), 'utf8');
const names = readdirSync(here);
const guides = ['../README.md', ...names.filter((name) => name.endsWith('.md'))];
const blocks = guides.flatMap((guide) =>
  [...read(guide).matchAll(/^```(?:ts|typescript|js)\n(.*?)^```/gms)].map(([, text]) => ({ guide, text })),
);
const isProgram = ({ text }: { text: string }): boolean => /from 'gmtl'/.test(text);
const programs = new Map(
  names
    .filter((name) => /(?<!\.test)\.ts$/.test(name))
    .map((name) => [name, read(name).replace("from '../src/index.ts'", "from 'gmtl'")]),
);

it('programs in the guides are the files that are compiled and run, and each file is in a guide', () => {
  const shown = blocks.filter(isProgram).map(({ text }) => text);
  expect(shown.toSorted()).toEqual([...programs.values()].toSorted());
});

it('other blocks are excerpts of the op that they explain', () => {
  const unary = join(here, '../src/engine/ops/unary');
  const lines = new Set(
    readdirSync(unary).flatMap((name) =>
      readFileSync(join(unary, name), 'utf8')
        .split('\n')
        .map((line) => line.trim()),
    ),
  );
  for (const { guide, text } of blocks.filter((block) => !isProgram(block))) {
    const unknown = text.split('\n').filter((line) => !lines.has(line.trim()) && line !== '…');
    expect(unknown, guide).toEqual([]);
  }
});

/** What the program writes to the console, run in a folder of its own. */
async function output(run: () => Promise<unknown>): Promise<string[]> {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  const folder = mkdtempSync(join(tmpdir(), 'gmtl-guide-'));
  const previous = process.cwd();
  process.chdir(folder);
  try {
    await run();
    return log.mock.calls.map(String);
  } finally {
    process.chdir(previous);
    rmSync(folder, { recursive: true });
    log.mockRestore();
  }
}

it("README's example learns", async () => {
  const losses = (await output(() => import('./example.ts'))).map((line) => Number(/loss ([\d.]+)/.exec(line)?.[1]));
  expect(losses).toHaveLength(4);
  expect(losses[0]).toBeGreaterThan(0.5);
  expect(losses[3]).toBeLessThan(0.05);
});

it("the porting guide's example learns, saves and loads", async () => {
  expect(await output(() => import('./portingExample.ts'))).toEqual([expect.stringMatching(/^16 of 16 right, \d+ bytes$/)]);
});
