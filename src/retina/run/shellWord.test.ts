/** Tier: no adapter. Commands that are printed can be pasted, whatever the folder is called. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { shellWord } from './shellWord.ts';

it('leaves plain paths alone', () => {
  for (const path of ['runs/2026-11-29_12-16-09-demo', '/home/a/b.html']) expect(shellWord(path, 'linux')).toBe(path);
  expect(shellWord('C:\\runs\\one', 'win32')).toBe('C:\\runs\\one');
});

it.skipIf(process.platform === 'win32')('gives a shell the path back as one word', () => {
  for (const path of ['/tmp/new dir/run', "it's $HOME `x` \\n", '*', '']) {
    expect(execFileSync('sh', ['-c', `printf %s ${shellWord(path, 'linux')}`]).toString(), path).toBe(path);
  }
});

it('quotes spaces on Windows', () => {
  expect(shellWord('C:\\my runs\\one', 'win32')).toBe('"C:\\my runs\\one"');
});

it('writes every path in a command that a message gives', () => {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const sources = ['src', 'cli'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
      .map((path) => join(root, folder, path)),
  );
  const bare = sources.flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/npx gmtl [^`\n]*?\$\{(?!shellWord)[^}]*(path|folder)[^}]*\}/gi)].map(
      ([text]) => `${path}: ${text}`,
    ),
  );
  expect(bare).toEqual([]);
});
