/** Tier: no adapter. Commands that are printed can be pasted, whatever the folder is called. */
import { execFileSync } from 'node:child_process';
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
