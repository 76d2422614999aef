/** The frame of every page: head, styles, scripts, security policy, theme switch. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GmtlError } from '../../../engine/errors.ts';
import { resolveOptional } from '../../../engine/node/optional.ts';
import { escapeHtml, html, type Html, jsonBlock } from './html.ts';
import type { Section } from './parts.ts';
import type { ChartList } from './charts.ts';
import type { Gallery } from './gallery.ts';

export interface Page {
  readonly title: string;
  readonly subtitle?: string;
  /** ISO 8601. */
  readonly created?: string;
  /** Between the title and the first section. */
  readonly lead?: Html;
  readonly sections: readonly Section[];
  readonly charts?: ChartList;
  readonly gallery?: Gallery;
}

/**
 * A whole page in one file that loads nothing else: styles, scripts and pictures are embedded, and its security policy forbids
 * the rest. Scripts run only if the policy lists their hash, so that text from a user cannot run as one.
 */
export function renderDocument(page: Page): string {
  const hasCharts = page.charts !== undefined && !page.charts.isEmpty;
  const scripts = [
    pageFile('theme.js'),
    ...(hasCharts ? [echartsSource(), pageFile('charts.js')] : []),
    ...(page.gallery ? [pageFile('gallery.js')] : []),
  ].map(inlineScript);
  const policy = [
    "default-src 'none'",
    'img-src data:',
    "style-src 'unsafe-inline'",
    `script-src ${scripts.map((code) => `'sha256-${createHash('sha256').update(code).digest('base64')}'`).join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const { title, subtitle, created, lead, sections } = page;
  const body = html`<a class="skip" href="#main">Skip to the content</a>
<header class="top"><div class="titles"><h1>${title}</h1>${subtitle && html`<p>${subtitle}</p>`}</div>
<button type="button" id="theme" aria-label="Change between light and dark">◐</button></header>
<div class="frame">
${
  sections.length > 1 &&
  html`<nav class="contents" aria-label="Contents"><ol>${sections.map(({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`)}</ol></nav>`
}
<main id="main">${lead}
${sections.map(({ id, title: name, body: content }) => html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${name}</h2>${content}</section>\n`)}
</main></div>
<footer><p>${created && html`Made ${created} by gmtl. `}Not a medical device.</p></footer>
<noscript><p class="warning">Charts and overlays need JavaScript; tables do not.</p></noscript>
${hasCharts && jsonBlock('chart-data', page.charts?.specs)}
${page.gallery && jsonBlock('gallery-data', page.gallery.block)}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>${pageFile('page.css')}</style>
</head>
<body>
${body.text}
${scripts.map((code) => `<script>${code}</script>`).join('\n')}
</body>
</html>
`;
}

/** The folder with the page's own styles and scripts, from src/ and from dist/ alike. */
function pageFolder(): string {
  const path = join('src', 'retina', 'report', 'html', 'page');
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, path, 'page.css'))) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new GmtlError('report/page', `the folder ${path} of gmtl is missing; install the package again`);
    }
    folder = parent;
  }
  return join(folder, path);
}

function pageFile(name: string): string {
  return readFileSync(join(pageFolder(), name), 'utf8');
}

/** The library's own minified build, with its licence header. */
function echartsSource(): string {
  return readFileSync(resolveOptional('echarts', '/dist/echarts.min.js'), 'utf8');
}

/** Code made safe for a script element, whose end its strings may spell. */
function inlineScript(code: string): string {
  return code.replaceAll(/<\/(script)/gi, '<\\/$1').replaceAll('<!--', '<\\!--');
}
