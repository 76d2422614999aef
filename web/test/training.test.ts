/** Tier: headless browser. The training page: it learns, pauses, keeps its progress through a reload, a lost device and the background, and begins anew. */
import { describe, expect, it } from 'vitest';
import { endMemoryOfNext, loseDevice, noBrowser, setHidden, usePages } from './browser.ts';

/** The step that the browser's storage holds. */
const KEPT = `new Promise((resolve) => {
  indexedDB.open('gmtl', 1).onsuccess = ({ target: { result: database } }) => {
    const request = database.transaction('training').objectStore('training').get('latest');
    request.onsuccess = () => {
      database.close();
      resolve(request.result?.step ?? 0);
    };
  };
})`;

describe.skipIf(noBrowser !== null)('the training page', () => {
  const pages = usePages();

  it('learns for 10 steps, survives a reload and a lost device, and forgets when it is told to', async () => {
    const { page, errors, requests } = await pages.open('training.html', { losable: true });
    const run = page.locator('#run');
    const stepOf = async (): Promise<number> => Number(await page.locator('#headline strong').first().textContent());
    await page.getByText(/^Ready: /).waitFor();
    // The page has loaded when all that it needs without a network is kept.
    await page.evaluate('navigator.serviceWorker.ready.then(() => undefined)');
    const loaded = requests.length;
    await run.click();
    await expect.poll(stepOf, { timeout: 200_000, interval: 500 }).toBeGreaterThanOrEqual(10);
    // The page answers while the worker learns.
    expect(await page.evaluate('1 + 1')).toBe(2);
    // In the background nothing is drawn; what was learnt is kept at once, before the 50th step, and learning goes on.
    expect(await page.evaluate(KEPT)).toBe(0);
    await setHidden(page, true);
    const hiddenAt = await stepOf();
    await expect.poll(() => page.evaluate(KEPT), { timeout: 60_000, interval: 200 }).toBeGreaterThanOrEqual(10);
    expect(await stepOf()).toBe(hiddenAt);
    await setHidden(page, false);
    await expect.poll(stepOf, { timeout: 60_000, interval: 200 }).toBeGreaterThan(hiddenAt);
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
    // It goes on by itself, from what was kept last.
    await page.locator('#failure', { hasText: 'The graphics device was lost' }).waitFor();
    await page.getByText(`Restored at step ${paused}`).waitFor();
    await expect.poll(stepOf, { timeout: 120_000, interval: 500 }).toBeGreaterThan(paused);

    // Memory that is used up twice stays so: the visitor is told, and may try again.
    const giveMemory = await endMemoryOfNext(page);
    await page.locator('#reset').click();
    await page.locator('#failure', { hasText: 'Out of graphics memory' }).getByRole('button').waitFor();
    expect(await page.locator('#failure').textContent()).toContain('Close other tabs and programs that use it.');
    await giveMemory();
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText(/^Ready: /).waitFor();
    expect(await stepOf()).toBe(0);
    expect(await page.locator('#failure').textContent()).toBe('');
    expect(errors).toEqual([]);
  }, 600_000);
});
