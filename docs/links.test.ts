/** Tier: no adapter. Documents name files that exist, and commands, options and settings that gmtl knows. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import yargs from 'yargs';
import { loadCommands } from '../cli/gmtl.ts';
import { resolveConfig } from '../src/retina/config/resolve.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'bench/README.md',
  'bench/peers/README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

/** The name GitHub gives a heading: lower case, spaces as hyphens, without punctuation. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe.each(documents)('$path', ({ path, text }) => {
  it('links to files and headings that exist', () => {
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
    const dead = targets.filter((target) => {
      if (/^[a-z]+:/.test(target)) return false;
      const [file, anchor] = target.split('#');
      const full = file === '' ? join(root, path) : join(root, dirname(path), file);
      return !existsSync(full) || (anchor !== undefined && !anchors(readFileSync(full, 'utf8')).includes(anchor));
    });
    expect(dead).toEqual([]);
  });

  it('names files and folders that exist', () => {
    const named = text.match(/(?<![\w./-])(src|cli|shaders|kernels-test|docs)\/[\w./-]*[\w/]/g) ?? [];
    expect(named.filter((name) => !existsSync(join(root, name)))).toEqual([]);
  });

  it('names commands, options and settings that there are', async () => {
    for (const command of commandsIn(text)) await parse(command);
  });
});

/** What is quoted of the command line, as `npx gmtl …`, and settings that stand alone. */
function commandsIn(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) =>
    block
      .replace(/\\\n/g, ' ')
      .split('\n')
      .map((line) => line.replace(/\s#.*$/, '')),
  );
  const prose = text.replace(/^```.*?^```/gms, '');
  const inline = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code);
  const alone = inline
    .filter((code) => code.startsWith('--set ') && !code.includes('section.knob'))
    .map((options) => `npx gmtl train ${options}`);
  return [...blocks, ...inline, ...alone].flatMap((line) => /(?:^|&& )npx gmtl (.*)/.exec(line)?.[1].trim() ?? []);
}

class Parsed extends Error {}

/** Throws as the command line would, and where a setting is not known. Runs nothing. */
async function parse(command: string): Promise<void> {
  const words = (command.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? []).map((word) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, (_, single?: string, double?: string) => single ?? double ?? ''),
  );
  let settings: Readonly<Record<string, unknown>> = {};
  const parser = yargs(words)
    .exitProcess(false)
    .strict()
    .option('debug', { type: 'boolean' })
    .fail(false)
    .middleware((given) => {
      settings = given;
      // Before the command's work begins.
      throw new Parsed();
    });
  for (const each of await loadCommands()) parser.command(each);
  await expect((async () => parser.parseAsync())(), command).rejects.toThrow(Parsed);
  const { set, preset = 'demo' } = settings;
  await resolveConfig({ preset: String(preset), overrides: Array.isArray(set) ? set.map(String) : [] });
}
