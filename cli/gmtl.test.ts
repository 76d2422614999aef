/** Tier: no adapter, slow. Each command is found by its name, alone, and what goes wrong as it is loaded is reported as all else is. */
import { expect, it, vi } from 'vitest';
import { loadCommands } from './gmtl.ts';
import { gmtlHere } from './testsupport.ts';

it('loads one command for the first word of each, which is that command', async () => {
  const commands = await loadCommands();
  const names = commands.map(({ command }) => String(command).split(' ')[0]);
  expect(new Set(names).size).toBe(commands.length);
  for (const [index, name] of names.entries()) expect(await loadCommands(name), name).toEqual([commands[index]]);
});

it('reports a module that throws as it is loaded', async () => {
  vi.doMock('./tune.ts', () => {
    throw new Error('no such library');
  });
  const { code, stderr } = await gmtlHere('tune');
  expect([code, stderr]).toEqual([70, expect.stringMatching(/unexpected error: .*--debug/s)]);
});
