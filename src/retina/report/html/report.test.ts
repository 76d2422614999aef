/** Tier: no adapter. The HTML report: what it holds, and what it refuses. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GalleryImage, ReportData } from './data.ts';
import type { GalleryBlock } from './gallery.ts';
import { badnessOf, packMasks } from './pictures.ts';
import { renderHtmlReport, writeSampleReport, writeTablePage } from './report.ts';
import { HOSTILE_NAME, syntheticPicture, syntheticReport } from './testsupport.ts';
import { trainingPanels } from './training.ts';

const folder = mkdtempSync(join(tmpdir(), 'gmtl-report-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The page without its scripts and styles. */
const markup = (page: string): string =>
  page.replace(/<script(?: [^>]*)?>[\s\S]*?<\/script>/g, '').replace(/<style>[\s\S]*?<\/style>/g, '');

/** Elements without content and end tag. */
const VOID = new Set(['meta', 'link', 'img', 'input', 'br', 'hr']);

/** Walks the tags and returns what is not well nested; quoted attributes may hold anything but their quote. */
function nestingFaults(page: string): string[] {
  const open: string[] = [];
  const faults: string[] = [];
  for (const [, end, name, rest] of markup(page).matchAll(/<(\/?)([a-z][a-z0-9]*)((?:"[^"]*"|[^">])*)>/g)) {
    if (end === '/') {
      if (open.at(-1) === name) open.pop();
      else faults.push(`</${name}> in <${open.at(-1)}>`);
    } else if (!VOID.has(name) && !rest.endsWith('/')) open.push(name);
  }
  return [...faults, ...open.map((name) => `<${name}> is not closed`)];
}

function block<T>(page: string, id: string): T {
  const start = page.indexOf('>', page.indexOf(`<script type="application/json" id="${id}"`)) + 1;
  return JSON.parse(page.slice(start, page.indexOf('</script>', start))) as T;
}

const headings = (page: string): string[] => [...page.matchAll(/<h2 [^>]*>([^<]*)<\/h2>/g)].map((match) => match[1]);

describe('renderHtmlReport', () => {
  let page = '';
  let data: ReportData;
  beforeAll(async () => {
    data = syntheticReport(6, 64);
    page = await renderHtmlReport(data);
  });

  it('shows the first 200 of many misrouted images, and names the file that has all', async () => {
    const report = syntheticReport();
    const gate = report.gate as NonNullable<ReportData['gate']>;
    const misroutes = Array.from({ length: 30_000 }, (_, index) => ({ ...gate.misroutes[1], id: `image-${index}-` }));
    const many = await renderHtmlReport({ ...report, gate: { ...gate, misroutes, misroutesFile: 'misroutes.csv' } });
    expect(many).toContain('image-199-');
    expect(many).not.toContain('image-200-');
    expect(many).toContain(
      '30000 of 130, the most confident mistakes first. The first 200 are shown. misroutes.csv beside this page has all.',
    );
  });

  it('is well formed, with one place for each id and label', () => {
    expect(nestingFaults(page)).toEqual([]);
    const ids = [...markup(page).matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of markup(page).matchAll(/(?:href="#|aria-labelledby=")([^"]+)"/g)) {
      expect(ids).toContain(target);
    }
  });

  it('loads nothing: every address is data, an anchor, or a citation to be followed by hand', () => {
    for (const [, tag, attribute, value] of markup(page).matchAll(/<(\w+)[^>]*? (src|href)="([^"]*)"/g)) {
      if (tag === 'a' && attribute === 'href')
        expect(value).toMatch(/^(#|https:\/\/(doi\.org|creativecommons\.org)\/)/);
      else expect(value.slice(0, 30)).toMatch(/^data:/);
    }
    const styles = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? '';
    expect(styles.length).toBeGreaterThan(1000);
    expect(styles).not.toMatch(/@import|url\(/);
  });

  it('lets only its own scripts run', () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? '';
    expect(policy).toContain("default-src 'none'");
    const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map((match) => match[1]);
    expect(scripts).toHaveLength(4);
    for (const code of scripts) {
      expect(policy).toContain(`'sha256-${createHash('sha256').update(code).digest('base64')}'`);
    }
    expect(policy).not.toMatch(/script-src[^;]*unsafe/);
  });

  it('escapes file names wherever they stand', () => {
    expect(page).not.toContain('<img src=x');
    expect(markup(page).split('IDRiD_&#60;img src=x onerror=&#34;alert(1)&#34;&#62;').length).toBeGreaterThan(4);
    expect(block<object>(page, 'chart-data')).toBeTypeOf('object');
  });

  it('shows undefined figures as n/a, never as NaN', () => {
    expect(markup(page)).not.toMatch(/NaN|[">]undefined|\[object/);
    expect(markup(page)).toContain('n/a');
  });

  it('has every section in order, and draws a chart for each kind of figure', () => {
    expect(headings(page)).toEqual([
      'Summary',
      'Diabetic retinopathy',
      'Macular edema',
      'Segmentation',
      'Gate',
      'Gallery',
      'Training',
      'Calibration',
      'How the figures are defined',
      'Data',
      'Configuration and environment',
      'Model card',
    ]);
    const charts = Object.entries(block<Record<string, { kind: string }>>(page, 'chart-data'));
    expect(new Set(charts.map(([, { kind }]) => kind))).toEqual(new Set(['bars', 'lines', 'reliability']));
    for (const [id] of charts) expect(page).toContain(`id="${id}" role="img" aria-label="`);
    expect(page).toContain('<strong>Not a medical device.</strong>');
    expect(page).toContain('CC BY 4.0');
  });

  it('leaves out what has no data, and its scripts with it', async () => {
    const bare = await renderHtmlReport({ title: 'Bare <run>', conventions: [] });
    expect(nestingFaults(bare)).toEqual([]);
    expect(headings(bare)).toEqual([]);
    expect(bare).toContain('<h1>Bare &#60;run&#62;</h1>');
    expect(bare).not.toContain('id="chart-data"');
    expect(bare).not.toContain('id="gallery');
    expect(bare.length).toBeLessThan(40_000);
    const empty = await renderHtmlReport({
      title: 'x',
      segmentation: { structures: [] },
      gallery: { images: [] },
      training: [{ title: 'Loss', x: 'epoch', y: 'loss', scale: 'free', curves: [{ name: 'a', points: [[1, null]] }] }],
      conventions: [],
    });
    expect(headings(empty)).toEqual([]);
  });

  it('puts the worst pictures first and frames misrouted ones', () => {
    const badness = [...page.matchAll(/data-badness="([^"]+)"/g)].map((match) => Number(match[1]));
    expect(badness).toHaveLength(6);
    expect(badness).toEqual([...badness].sort((left, right) => right - left));
    expect(page.split('class="card misrouted"')).toHaveLength(2);
    expect([...page.matchAll(/<img [^>]*alt="Retina [^"]+"/g)]).toHaveLength(6);
  });

  it('packs the masks so that they read back', () => {
    const { pictures, lesions } = block<GalleryBlock>(page, 'gallery-data');
    const first = data.gallery?.images.find(({ truthMasks }) => truthMasks);
    const cards = [...page.matchAll(/data-index="(\d+)" [^>]*data-name="([^"]+)"/g)];
    const at = Number(cards.find(([, , name]) => name === first?.id)?.[1]);
    const packed = pictures[at].truth;
    const bytes = inflateRawSync(Buffer.from(packed?.bits ?? '', 'base64'));
    expect([packed?.width, packed?.height]).toEqual([first?.truthMasks?.width, first?.truthMasks?.height]);
    lesions.forEach(({ name }, bit) => {
      expect(bytes.map((value) => (value >> bit) & 1)).toEqual(Buffer.from(first?.truthMasks?.masks[name] ?? []));
    });
  });

  it('names the task whose confusion matrix does not fit, and the picture whose buffer does not', async () => {
    const [grading] = data.grading ?? [];
    await expect(renderHtmlReport({ title: 'x', grading: [{ ...grading, confusion: [1, 2] }] })).rejects.toThrow(
      /Diabetic retinopathy: 5 class names need 25 counts, got 2/,
    );
    const picture: GalleryImage = { id: 'IDRiD_09', image: { data: new Uint8Array(5), width: 2, height: 1 } };
    await expect(renderHtmlReport({ title: 'x', gallery: { images: [picture] } })).rejects.toThrow(/IDRiD_09.*5 bytes/);
  });
});

describe('packMasks', () => {
  it('keeps a lesion of one pixel when it shrinks', () => {
    const MA = new Uint8Array(100 * 50);
    MA[37 * 100 + 61] = 1;
    const packed = packMasks({ width: 100, height: 50, masks: { MA, OD: new Uint8Array(5000) } }, 10, 'x');
    expect([packed.width, packed.height, packed.known]).toEqual([10, 5, 0b10001]);
    expect([...inflateRawSync(Buffer.from(packed.bits, 'base64'))].filter((byte) => byte !== 0)).toEqual([1]);
  });

  it('names the mask of a wrong size', () => {
    expect(() => packMasks({ width: 2, height: 2, masks: { SE: new Uint8Array(3) } }, 9, 'IDRiD_01, truth')).toThrow(
      /IDRiD_01, truth, SE: the mask has 3 pixels, not 2 × 2/,
    );
  });
});

describe('badnessOf', () => {
  const picture = { id: 'x', image: { data: new Uint8Array(3), width: 1, height: 1 } };
  it('takes Dice where it is defined, else the distance of the grade, else 0', () => {
    expect(badnessOf({ ...picture, dice: { MA: 0.2, EX: 0.6, SE: Number.NaN } })).toBeCloseTo(0.6);
    const grade = (predicted: number) => badnessOf({ ...picture, grades: [{ task: 'DR', truth: 0, predicted }] });
    expect([grade(0), grade(1), grade(4)]).toEqual([0, 0.625, 1]);
    expect(badnessOf({ ...picture, dice: { SE: Number.NaN } })).toBe(0);
    expect(badnessOf({ ...picture, badness: 0.3, dice: { MA: 0 } })).toBe(0.3);
  });
});

describe('trainingPanels', () => {
  it('draws what was logged and nothing else', () => {
    const panels = trainingPanels([
      { epoch: 1, train_total: 2, val_dice_OD: null, train_weight_segmentation: 1 },
      { epoch: 2, train_total: Number.NaN, val_dice_OD: 0.5, train_weight_segmentation: 1.5 },
    ]);
    expect(panels.map(({ title }) => title)).toEqual(['Loss', 'Validation Dice by structure', 'Weights of the tasks']);
    expect(panels[0].curves).toEqual([{ name: 'total train', points: [[1, 2]], dashed: true }]);
    expect(panels[1].curves).toEqual([{ name: 'OD', lesion: 'OD', points: [[2, 0.5]] }]);
    expect(trainingPanels([])).toEqual([]);
  });
});

describe('writeSampleReport and writeTablePage', () => {
  it('write pages of pictures and of tables', async () => {
    const sample = join(folder, 'deep', 'sample.html');
    await writeSampleReport(sample, {
      title: '20 pictures of the test split',
      gallery: { images: [syntheticPicture(1, 64), syntheticPicture(2, 64)], limit: 1 },
      tables: [{ title: 'Routes', columns: ['route', 'images'], rows: [['segmentation', 1]] }],
    });
    const page = readFileSync(sample, 'utf8');
    expect(nestingFaults(page)).toEqual([]);
    expect(headings(page)).toEqual(['Pictures', 'Routes']);
    expect(page).toContain('The 1 worst of 2 pictures are shown.');
    const tables = join(folder, 'tables.html');
    await writeTablePage(tables, {
      title: 'Verification',
      verdict: { good: false, text: `1 leak: ${HOSTILE_NAME}` },
      tables: [
        {
          title: 'Leaks',
          columns: ['first', 'share'],
          rows: [
            [HOSTILE_NAME, 0.25],
            ['b', null],
          ],
          marked: [0],
        },
      ],
    });
    const text = readFileSync(tables, 'utf8');
    expect(nestingFaults(text)).toEqual([]);
    expect(text).toContain('<td class="number">0.250</td>');
    expect(text).toContain('<td class="number">n/a</td>');
    expect(text).toContain('<tr class="marked">');
    expect(text).not.toContain('<img src=x');
  });
});

describe("the page's own scripts", () => {
  it('pass the type checker with the browser’s types', () => {
    const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
    const project = join(dirname(fileURLToPath(import.meta.url)), 'page', 'tsconfig.json');
    expect(execFileSync(process.execPath, [compiler, '-p', project], { encoding: 'utf8' })).toBe('');
  });
});
