/**
 * Builds the documentation's site into dist/site: TypeDoc over the exports of src/index.ts, with README and the guides. Ends with an error where an
 * export has no comment, a comment links to what is not there, or a page has a dead link. TypeDoc needs a TypeScript with a JavaScript API,
 * which the project's own is not: both are this folder's packages, installed at the first run.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('./', import.meta.url));
const repository = join(here, '../..');
const site = join(repository, 'dist/site');

function run(command, ...words) {
  const { status } = spawnSync(command, words, { cwd: here, stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) process.exit(status ?? 1);
}

if (!existsSync(join(here, 'node_modules/typedoc'))) run('npm', 'ci', '--no-audit', '--no-fund');
run('npx', 'typedoc', '--options', 'typedoc.json');

const pages = readdirSync(site, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.html'))
  .map((name) => join(site, name));
const texts = new Map(pages.map((page) => [page, readFileSync(page, 'utf8')]));
const idsOf = new Map([...texts].map(([page, text]) => [page, new Set([...text.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id))]));

// The guides link to the sources. Files are copied: as plain text, for servers take .ts for a video. Of folders the name stays, without a link.
const media = join(site, 'media');
for (const name of readdirSync(media)) {
  if (/\.(?:ts|mjs|wgsl|jsonc?)$/.test(name)) renameSync(join(media, name), join(media, `${name}.txt`));
}
const dead = [];
for (const [page, text] of texts) {
  const shown = text.replace(/<a href="((?:\.\.\/)*media\/[^"#]*)"([^>]*)>(.*?)<\/a>/gs, (link, target, rest, name) => {
    const file = join(dirname(page), target);
    if (existsSync(`${file}.txt`)) return `<a href="${target}.txt"${rest}>${name}</a>`;
    return existsSync(file) || /\.\w+$/.test(target) ? link : name;
  });
  if (shown !== text) writeFileSync(page, shown);
  for (const [, target] of shown.matchAll(/\s(?:href|src)="([^"]*)"/g)) {
    if (/^(?:[a-z]+:|\/\/)/.test(target)) continue;
    const [path, anchor] = target.replaceAll('&amp;', '&').split('#').map(decodeURIComponent);
    const file = path === '' ? page : join(dirname(page), path);
    const missing = !existsSync(file) || (anchor && idsOf.has(file) && !idsOf.get(file).has(anchor));
    if (missing) dead.push(`${relative(site, page)}: ${target}`);
  }
}
if (dead.length > 0) {
  console.error(`${dead.length} dead links:\n${dead.slice(0, 50).join('\n')}`);
  process.exit(1);
}
console.log(`${pages.length} pages without a dead link: ${join(site, 'index.html')}`);
