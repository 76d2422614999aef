/**
 * Builds the pages into dist/pages, or into the folder named, as static files that any server can serve (`npm run web`): esbuild bundles scripts,
 * workers and styles, and the layout wraps each page's content. Prints what the files weigh.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));
const source = `${root}web/`;
const target = process.argv[2] ? `${resolve(process.argv[2])}/` : `${root}dist/pages/`;
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));

/** File name → folder, title, and what the page is for. */
const PAGES = [
  { file: 'index.html', folder: 'screening', title: 'Screening', about: 'Grade and segment fundus photographs on this device' },
  { file: 'training.html', folder: 'training', title: 'Training', about: 'Watch a network learn on this device' },
  { file: 'kernels.html', folder: 'kernels', title: 'Kernels', about: 'Test and time the kernels on this device' },
];

/** Nothing but this page's own files: whatever a photograph shows stays here. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const common = {
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: ['es2023'],
  minify: true,
  keepNames: true,
  legalComments: 'linked',
  absWorkingDir: root,
  define: { GMTL_VERSION: JSON.stringify(version) },
};

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });

const built = PAGES.filter(({ folder }) => readdirSync(source).includes(folder));
await build({
  ...common,
  splitting: true,
  sourcemap: true,
  outdir: `${target}assets`,
  entryNames: '[name]',
  entryPoints: [
    ...built.flatMap(({ folder }) => [
      { in: `${source}${folder}/page.ts`, out: `${folder}Page` },
      { in: `${source}${folder}/worker.ts`, out: `${folder}Worker` },
    ]),
    { in: `${source}style.css`, out: 'style' },
    { in: `${root}src/retina/report/html/page/theme.js`, out: 'theme' },
  ],
});

const layout = readFileSync(`${source}layout.html`, 'utf8');
for (const { file, folder, title, about } of built) {
  const links = built.map((page) => {
    const here = page.file === file ? ' aria-current="page"' : '';
    return `<a href="${page.file}"${here}>${page.title}</a>`;
  });
  const values = {
    title,
    about,
    folder,
    version,
    policy: CONTENT_SECURITY_POLICY,
    links: links.join('\n'),
    main: readFileSync(`${source}${folder}/page.html`, 'utf8'),
  };
  writeFileSync(
    `${target}${file}`,
    layout.replaceAll(/\{\{(\w+)\}\}/g, (_, name) => {
      if (!(name in values)) throw new Error(`layout.html asks for {{${name}}}`);
      return values[name];
    }),
  );
}
writeFileSync(`${target}icon.svg`, readFileSync(`${source}icon.svg`));

// The worker that makes the pages work offline knows every file, and by the hash of all of them when they change.
const files = readdirSync(target, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !/\.(map|txt)$/.test(entry.name))
  .map((entry) => `${entry.parentPath}/${entry.name}`.replaceAll('\\', '/').replace(/\/+/g, '/').slice(target.length))
  .sort();
const hash = createHash('sha256');
for (const file of files) hash.update(file).update(readFileSync(target + file));
await build({
  ...common,
  outdir: target,
  entryPoints: [`${source}serviceWorker.ts`],
  define: {
    ...common.define,
    GMTL_FILES: JSON.stringify(files),
    GMTL_BUILD: JSON.stringify(hash.digest('hex').slice(0, 16)),
  },
});

for (const file of [...files, 'serviceWorker.js']) {
  const content = readFileSync(target + file);
  const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1).padStart(8)} kB`;
  console.log(`${kilobytes(content.length)} ${kilobytes(gzipSync(content).length)} gzip  ${file}`);
}
