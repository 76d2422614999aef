/** Tier: headless browser. The training page: it learns, pauses, keeps its progress through a reload and a lost device, and begins anew. */
import { describe, expect, it } from 'vitest';
import { loseDevice, noBrowser, usePages } from './browser.ts';

describe.skipIf(noBrowser !== null)('the training page', () => {
  const pages = usePages();

  it('learns for 20 steps, survives a reload and a lost device, and forgets when it is told to', async () => {
    const { page, errors, requests } = await pages.open('training.html', { losable: true });
    const run = page.locator('#run');
    const stepOf = async (): Promise<number> => Number(await page.locator('#headline strong').first().textContent());
    await page.getByText(/^Ready: /).waitFor();
    const loaded = requests.length;
    await run.click();
    await expect.poll(stepOf, { timeout: 200_000, interval: 500 }).toBeGreaterThanOrEqual(20);
    // The page answers while the worker learns.
    expect(await page.evaluate('1 + 1')).toBe(2);
    await page.locator('#rate').fill('-3');
    await run.click();
    await page.getByText(/^Paused at step \d+; kept in this browser\.$/).waitFor();
    const paused = await stepOf();
    expect(Number(await page.locator('#headline li').nth(1).locator('strong').textContent())).toBeGreaterThan(0);
    expect(await page.locator('#shown canvas').count()).toBe(12);
    expect(requests.slice(loaded)).toEqual([]);

    await page.reload();
    await page.getByText(`Restored at step ${paused}`).waitFor();
    await run.click();
    await expect.poll(stepOf, { timeout: 120_000, interval: 500 }).toBeGreaterThan(paused);
    await loseDevice(page);
    await page.getByText('The graphics device was lost').waitFor();
    await page.getByText(/^Stopped by an error\. What was kept last is restored/).waitFor();
    await page.locator('#failure button').click();
    await page.getByText(`Restored at step ${paused}`).waitFor();

    await page.locator('#reset').click();
    await page.getByText(/^Ready: /).waitFor();
    expect(await stepOf()).toBe(0);
    expect(errors).toEqual([]);
  }, 600_000);
});
