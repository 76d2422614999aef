/** Tier: headless browser. Every page has names for all its controls and fits a phone; so does an evaluation's report, whose gallery comes in steps. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { renderHtmlReport } from '../../src/retina/report/html/report.ts';
import { syntheticReport } from '../../src/retina/report/html/testsupport.ts';
import { noBrowser, usePages } from './browser.ts';

async function expectUsable(page: Page): Promise<void> {
  const tree = await page.locator('body').ariaSnapshot();
  const controls = tree
    .split('\n')
    .filter((line) =>
      /- (button|link|textbox|checkbox|slider|combobox|spinbutton|progressbar|meter|img|table)\b/.test(line),
    );
  expect(controls.length).toBeGreaterThan(5);
  expect(controls.filter((line) => !/- \w+ "[^"]+"/.test(line))).toEqual([]);
  expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
}

describe.skipIf(noBrowser !== null)('each page', () => {
  const pages = usePages();

  it.each(['index.html', 'training.html', 'kernels.html'])(
    '%s has no unnamed control, and fits a phone',
    async (file) => {
      const { page } = await pages.open(file, { viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
      await page.locator('#status').waitFor();
      await expectUsable(page);
    },
  );

  it.each([1280, 950, 360])(
    'a report %i pixels wide cuts no confusion matrix, and breaks no words of a table letter by letter',
    async (width) => {
      const folder = mkdtempSync(join(tmpdir(), 'gmtl-report-'));
      try {
        const report = join(folder, 'report.html');
        writeFileSync(report, await renderHtmlReport(syntheticReport(6, 32)));
        const { page } = await pages.open('kernels.html', { viewport: { width, height: 740 } });
        await page.goto(pathToFileURL(report).href);
        const cut = await page.$$eval('.scroll:has(.confusion)', (boxes) =>
          boxes.map((box) => box.scrollWidth - box.clientWidth),
        );
        expect(cut).toEqual([0, 0]);
        const narrow = await page.$$eval('table:not(.confusion) td:not(.number, .bar)', (cells) =>
          cells.map((cell) => cell.getBoundingClientRect().width).filter((wide) => wide > 0 && wide < 100),
        );
        expect(narrow).toEqual([]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

  it('a report of 30 pictures shows 24, more by a button, those that are stepped to, and all in print', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gmtl-report-'));
    try {
      const report = join(folder, 'report.html');
      writeFileSync(report, await renderHtmlReport(syntheticReport(30, 32)));
      const { page, errors } = await pages.open('kernels.html', { viewport: { width: 360, height: 740 } });
      await page.goto(pathToFileURL(report).href);
      const cards = page.locator('#gallery > li:visible');
      const count = page.locator('#gallery-count');
      await page.getByRole('button', { name: 'Show 6 more' }).waitFor();
      await expectUsable(page);
      await expect.poll(() => cards.count()).toBe(24);
      expect(await count.textContent()).toBe('The first 24 of 30 pictures');
      await page.getByRole('button', { name: 'Show 6 more' }).click();
      await expect.poll(() => cards.count()).toBe(30);
      // The focus goes to the first that came.
      expect(
        await page.evaluate('document.activeElement.closest("li") === document.querySelectorAll("#gallery > li")[24]'),
      ).toBe(true);
      await page.locator('select[name="sort"]').selectOption('best');
      await expect.poll(() => cards.count()).toBe(24);
      // From the first picture one step back is the last of all, not of those that are shown.
      await cards.first().getByRole('button').click();
      await page.getByRole('button', { name: 'Previous picture' }).click();
      const last = await page.locator('#gallery > li').last().getAttribute('data-name');
      expect(await page.locator('#viewer-title').textContent()).toBe(last);
      await page.getByRole('button', { name: 'Close' }).click();
      await expect.poll(() => cards.count()).toBe(30);
      expect(await page.locator('#gallery-more').isVisible()).toBe(false);
      await page.locator('select[name="sort"]').selectOption('name');
      await expect.poll(() => cards.count()).toBe(24);
      await page.evaluate('dispatchEvent(new Event("beforeprint"))');
      await expect.poll(() => cards.count()).toBe(30);
      expect(errors).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
