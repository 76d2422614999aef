/** Tier: headless browser. Every page has names for all its controls and fits a phone. */
import { describe, expect, it } from 'vitest';
import { noBrowser, usePages } from './browser.ts';

describe.skipIf(noBrowser !== null)('each page', () => {
  const pages = usePages();

  it.each(['index.html', 'training.html', 'kernels.html'])(
    '%s has no unnamed control, and fits a phone',
    async (file) => {
      const { page } = await pages.open(file, { viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
      await page.locator('#status').waitFor();
      const tree = await page.locator('body').ariaSnapshot();
      const controls = tree
        .split('\n')
        .filter((line) =>
          /- (button|link|textbox|checkbox|slider|combobox|spinbutton|progressbar|meter|img|table)\b/.test(line),
        );
      expect(controls.length).toBeGreaterThan(5);
      expect(controls.filter((line) => !/- \w+ "[^"]+"/.test(line))).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    },
  );
});
