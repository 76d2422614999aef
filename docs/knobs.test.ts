/** Tier: no adapter. docs/knobs.md is the schema of the configuration, written out. After a change: `npx vitest run docs -u`. */
import { expect, it } from 'vitest';
import { describeConfig } from '../src/retina/config/resolve.ts';

/** `[integer, 1 or more; integer, 1 or more; …]` → `list of 4: integer, 1 or more`. */
function short(type: string): string {
  const parts = /^\[(.*)\]$/.exec(type)?.[1].split('; ') ?? [];
  return parts.length > 1 && new Set(parts).size === 1 ? `list of ${parts.length}: ${parts[0]}` : type;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('*', '\\*');
const code = (value: unknown): string => (value === undefined ? '' : `\`${JSON.stringify(value)}\``);

it('knobs.md lists every knob with its type, default and reason', async () => {
  const sections = new Map<string, string>();
  for (const { path, type, default: value, description } of describeConfig()) {
    const section = path.includes('.') ? path.split('.')[0] : 'others';
    const row = `| \`${path}\` | ${cell(short(type))} | ${code(value)} | ${cell(description)} |\n`;
    sections.set(section, (sections.get(section) ?? '') + row);
  }
  const tables = [...sections].map(
    ([section, rows]) =>
      `\n## ${section}\n\n| knob | type | default | what it does |\n| --- | --- | --- | --- |\n${rows}`,
  );
  const head =
    '# Every knob\n\nWritten from [src/retina/config/schema.ts](../src/retina/config/schema.ts) by `docs/knobs.test.ts`. ' +
    'Set one with `npx gmtl train --set optimizer.lr=0.001`; [configuration.md](configuration.md) says how sources are merged.\n';
  await expect(head + tables.join('')).toMatchFileSnapshot('knobs.md');
});
