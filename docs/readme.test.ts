/** Tier: any adapter. README's example is docs/example.ts to the letter, and it runs. */
import { readFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';

it('the example in README is the file that is tested', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const example = readFileSync(new URL('example.ts', import.meta.url), 'utf8');
  expect(readme).toContain(`\`\`\`ts\n${example.replace("from '../src/index.ts'", "from 'gmtl'")}\`\`\``);
});

it('the example learns', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await import('./example.ts');
  const losses = log.mock.calls.map(([line]) => Number(/loss ([\d.]+)/.exec(String(line))?.[1]));
  log.mockRestore();
  expect(losses).toHaveLength(4);
  expect(losses[0]).toBeGreaterThan(0.5);
  expect(losses[3]).toBeLessThan(0.05);
});
