/** Tier: headless browser. The kernel page: every kernel version of the registry against its reference on the browser's adapter. */
import { expect, describe, it } from 'vitest';
import { ops } from '../../src/engine/ops/index.ts';
import { callsOf, testCases } from '../../src/engine/check/testCases.ts';
import { LONG_TESTS } from '../../kernels-test/long.ts';
import { downloadedText, endMemory, endMemoryOfNext, loseDevice, noBrowser, setHidden, usePages } from './browser.ts';

interface Saved {
  readonly adapter: { readonly deviceClass: string };
  readonly tests: {
    readonly passed: boolean;
    readonly cases: readonly {
      readonly op: string;
      readonly testCase: string;
      readonly checked: readonly string[];
      readonly lacking: readonly string[];
      readonly problems: readonly string[];
      readonly skipped: string | null;
    }[];
  } | null;
  readonly benchmarks: {
    readonly ceilings: { readonly flopsPerSecond: number; readonly bytesPerSecond: number };
    readonly problems: readonly unknown[];
    readonly rows: readonly { readonly op: string; readonly rates: { readonly gigaflopsPerSecond: number | null } }[];
  } | null;
}

describe.skipIf(noBrowser !== null)('the kernel page', () => {
  const pages = usePages();

  it('holds every kernel version that the adapter can run against its reference, and saves the result', async () => {
    const { page, errors } = await pages.open('kernels.html');
    // Node runs every case on the same adapter: kernels.test.ts.
    if (!LONG_TESTS) await page.locator('#cases').selectOption('fewest');
    await page.getByRole('button', { name: 'Run the tests' }).click();
    await page.getByText(/^Done in/).waitFor({ timeout: 800_000 });
    const save = page.getByRole('button', { name: 'Save as JSON' });
    const { tests } = JSON.parse(await downloadedText(page, () => save.click())) as Saved;
    const cases = tests?.cases ?? [];
    const named = ops.flatMap((op) => testCases(op).map((testCase) => ({ op, testCase })));
    const all = named.map(({ op, testCase }) => `${op.name} / ${testCase.name}`);
    const tested = cases.map(({ op, testCase }) => `${op} / ${testCase}`);
    if (LONG_TESTS) expect(tested).toEqual(all);
    else expect(tested.filter((name) => !all.includes(name))).toEqual([]);
    expect(
      cases.flatMap(({ op, testCase, problems }) => problems.map((text) => `${op} / ${testCase}: ${text}`)),
    ).toEqual([]);
    expect(tests?.passed).toBe(true);
    // Every version ran, or needs what the adapter lacks; every program ran in some version.
    const ran = new Set(cases.flatMap(({ checked }) => checked));
    const seen = new Set(cases.flatMap(({ checked, lacking }) => [...checked, ...lacking]));
    const programs = new Set(named.flatMap(({ op, testCase }) => callsOf(op, testCase).map(({ program }) => program)));
    expect(programs.size).toBeGreaterThan(60);
    for (const { name, versions } of programs) {
      const own = versions?.map((version) => `${name} ${version}`) ?? [name];
      expect(own.filter((each) => !seen.has(each))).toEqual([]);
      expect(
        own.some((each) => ran.has(each)),
        name,
      ).toBe(true);
    }
    expect(errors).toEqual([]);
  }, 900_000);

  it('times and tests an op through a lost device and an end of memory, and says so', async () => {
    const { page, errors } = await pages.open('kernels.html', { losable: true });
    await page.locator('#op').selectOption('entropy');
    await page.getByRole('button', { name: 'Run the benchmarks' }).click();
    // While the ceilings are measured, which takes a second or more.
    await loseDevice(page);
    await page.locator('#failure', { hasText: 'The graphics device was lost' }).waitFor();
    await setHidden(page, true);
    await page.getByText(/^Done in .* The tab was in the background meanwhile/).waitFor({ timeout: 300_000 });
    const save = page.getByRole('button', { name: 'Save as JSON' });
    const { tests, benchmarks } = JSON.parse(await downloadedText(page, () => save.click())) as Saved;
    expect(tests).toBeNull();
    expect(benchmarks?.ceilings.flopsPerSecond).toBeGreaterThan(1e6);
    expect(benchmarks?.rows.length).toBeGreaterThan(0);
    expect(benchmarks?.rows.every(({ op }) => op === 'entropy')).toBe(true);
    expect(benchmarks?.problems).toEqual([]);
    expect(await page.locator('#bench-table tbody tr').count()).toBe(benchmarks?.rows.length);

    await endMemory(page);
    await page.getByRole('button', { name: 'Run the tests' }).click();
    await page.locator('#failure', { hasText: 'Out of graphics memory' }).waitFor();
    await page.getByText(/^Done in/).waitFor();
    expect(await page.locator('#tests-table .badge.good').count()).toBe(1);

    // Where nothing can be done any more, the page stops: it takes no work until it is told to try again.
    await page.locator('#op').selectOption('layerNorm');
    const giveMemory = await endMemoryOfNext(page);
    await endMemory(page);
    await page.getByRole('button', { name: 'Run the tests' }).click();
    await page.getByRole('button', { name: 'Try again' }).waitFor();
    expect(await page.getByRole('button', { name: 'Run the tests' }).isDisabled()).toBe(true);
    await giveMemory();
    await page.getByRole('button', { name: 'Try again' }).click();
    await expect
      .poll(() => page.getByRole('button', { name: 'Run the tests' }).isEnabled(), { timeout: 60_000 })
      .toBe(true);
    expect(errors).toEqual([]);
  }, 320_000);
});
