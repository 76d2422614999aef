/** Tier: headless browser. The screening page: the same answer as `gmtl infer`, without a request, offline too. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import sharp, { type Sharp } from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { withEngine } from '../../src/engine/node/createEngine.ts';
import { drawFundus } from '../../src/retina/data/synth/fundus.ts';
import { STRUCTURES } from '../../src/retina/domain.ts';
import { referralPolicy } from '../../src/retina/evaluate/referralPolicy.ts';
import { exportRun } from '../../src/retina/export/exportRun.ts';
import { fitReferral } from '../../src/retina/metrics/referral.ts';
import { inferImage } from '../../src/retina/predict/image.ts';
import { openPredictor } from '../../src/retina/predict/openPredictor.ts';
import type { InferResult } from '../../src/retina/predict/result.ts';
import type { Calibration } from '../../src/retina/run/calibrationFormat.ts';
import { loadTrainedWeights } from '../../src/retina/run/trainedWeights.ts';
import { downloadedText, endMemory, loseDevice, noBrowser, usePages } from './browser.ts';

const RUN = fileURLToPath(new URL('../../cli/fixtures/run-0.1', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'gmtl-screening-'));
afterAll(() => rmSync(folder, { recursive: true }));

const fundus = drawFundus('screening page', 480, { retinopathy: 3, edema: 2, softExudates: true });
const raw = sharp(fundus.rgb, { raw: { width: fundus.width, height: fundus.height, channels: 3 } });

/** Pictures that decoders treat in ways of their own; what Node makes of each is what the page must make of it. */
const PICTURES = {
  'plain.jpg': () => raw.clone().jpeg({ quality: 90 }),
  'full-chroma.jpg': () => raw.clone().jpeg({ quality: 90, chromaSubsampling: '4:4:4' }),
  ...(Object.fromEntries(
    [2, 3, 4, 5, 6, 7, 8].map((orientation) => [
      `turned-${orientation}.jpg`,
      () => raw.clone().jpeg({ quality: 90 }).withMetadata({ orientation }),
    ]),
  ) as Record<`turned-${number}.jpg`, () => Sharp>),
  'turned.png': () => raw.clone().png().withMetadata({ orientation: 8 }),
  'progressive.jpg': () => raw.clone().jpeg({ quality: 90, progressive: true }),
  'gray.jpg': () => raw.clone().toColourspace('b-w').jpeg({ quality: 90 }),
  'plain.png': () => raw.clone().png(),
  'gray.png': () => raw.clone().toColourspace('b-w').png(),
  'alpha.png': () => raw.clone().ensureAlpha(0.5).png(),
  'alpha-varies.png': () =>
    raw
      .clone()
      .joinChannel(
        Buffer.from(Uint8Array.from({ length: fundus.width * fundus.height }, (_, at) => 128 + (at % 128))),
        { raw: { width: fundus.width, height: fundus.height, channels: 1 } },
      )
      .png(),
} as const;

async function picture(name: keyof typeof PICTURES): Promise<string> {
  const path = join(folder, name);
  writeFileSync(path, await PICTURES[name]().toBuffer());
  return path;
}

/** What the page says of the pictures, one after the other, by its own JSON files. */
async function lookAt(page: Page, paths: readonly string[]): Promise<InferResult[]> {
  await page.getByText(/^Ready: /).waitFor();
  await page.locator('#choose').setInputFiles([...paths]);
  await page.getByText(`Done: ${paths.length} photograph${paths.length === 1 ? '' : 's'} looked at.`).waitFor();
  const results: InferResult[] = [];
  for (const path of paths) {
    await page.locator('#thumbs button', { hasText: path.split('/').at(-1)! }).click();
    const save = page.getByRole('button', { name: 'Save JSON' });
    results.push(JSON.parse(await downloadedText(page, () => save.click())) as InferResult);
  }
  return results;
}

/** The run with an operating point, and nothing else that would change its answers. */
const OWN = join(folder, 'run');
const fitted = fitReferral(
  Array.from({ length: 40 }, (_, at) => ({ id: String(at), isReferable: at >= 20, score: at / 40 })),
  { retinopathy: 2, edema: 1 },
  { measure: 'sensitivity', value: 0.9 },
  { measure: 'coverage', value: 0.9 },
);
const CALIBRATION: Calibration = {
  fittedOn: {
    ...{ split: 'val', segmentation: 0, classification: 40, images: [] },
    ...{ checkpoint: 'best', step: 6, weights: 'average', frame: 'network', flips: false },
  },
  temperatures: { retinopathy: null, edema: null, gate: null },
  thresholds: {},
  referral: fitted,
};

describe.skipIf(noBrowser !== null)('the screening page', () => {
  const model = join(folder, 'model');
  const pages = usePages(async () => {
    cpSync(RUN, OWN, { recursive: true });
    writeFileSync(join(OWN, 'calibration.json'), JSON.stringify(CALIBRATION));
    await exportRun({ run: OWN, format: 'web', out: model });
    return model;
  });

  it('says what gmtl infer says of pictures of every kind, in the original frame', async () => {
    const names = Object.keys(PICTURES) as (keyof typeof PICTURES)[];
    const paths = await Promise.all(names.map(picture));
    const { page, errors } = await pages.open('index.html');
    const got = await lookAt(page, paths);
    await page.getByText('chosen for sensitivity >= 0.9 on 40 validation pictures').waitFor();
    const trained = await loadTrainedWeights(RUN);
    const policy = referralPolicy(CALIBRATION, [], 'warn');
    await withEngine({ adapter: 'swiftshader' }, async ({ engine }) => {
      const predictor = openPredictor(engine, trained);
      for (const [index, path] of paths.entries()) {
        const { result } = await inferImage(predictor, path, { choice: 'both', threshold: 0.5 });
        const { frame, crop, gate, retinopathy, edema, warnings, lesions } = got[index];
        expect({ frame, crop, warnings }, names[index]).toEqual({
          frame: result.frame,
          crop: result.crop,
          warnings: result.warnings,
        });
        // JPEG decoders may differ by a level in a pixel.
        const close = (a: readonly number[], b: readonly number[]): void => {
          for (const [at, value] of a.entries()) expect(Math.abs(value - b[at]), names[index]).toBeLessThan(1e-3);
        };
        close(Object.values(gate.probabilities), Object.values(result.gate.probabilities));
        close(retinopathy!.probabilities, result.retinopathy!.probabilities);
        close(edema!.probabilities, result.edema!.probabilities);
        // The same rule: the score decides, unless the picture cannot be graded.
        const { score, ...decided } = policy.refer(result).referral!;
        expect(got[index].referral, names[index]).toMatchObject(decided);
        expect(Math.abs(got[index].referral!.score! - score!), names[index]).toBeLessThan(1e-3);
        const segmented = STRUCTURES.filter((structure) => result.lesions?.[structure]);
        expect(segmented.length, names[index]).toBeGreaterThan(0);
        expect(Object.keys(lesions ?? {}), names[index]).toEqual(Object.keys(result.lesions ?? {}));
        for (const structure of segmented) {
          const [own, wanted] = [lesions![structure]!.share, result.lesions![structure]!.share];
          expect(Math.abs(own - wanted), `${names[index]} ${structure}`).toBeLessThan(2e-3);
        }
      }
      predictor.dispose();
    });
    expect(errors).toEqual([]);
  });

  it('sends nothing, and works without a network once it was open', async () => {
    const path = await picture('plain.jpg');
    const { page, context, requests, url } = await pages.open('index.html');
    await page.getByText(/^Ready: /).waitFor();
    await page.evaluate('navigator.serviceWorker.ready.then(() => undefined)');
    const loaded = requests.length;
    await lookAt(page, [path]);
    expect(requests.slice(loaded).filter((request) => !request.startsWith('blob:'))).toEqual([]);
    const own = new URL(url).origin;
    expect(requests.filter((request) => !request.startsWith(own) && !request.startsWith('blob:'))).toEqual([]);
    // The model is fetched under the service worker from the second visit on.
    await page.reload();
    await page.getByText(/^Ready: /).waitFor();
    await context.setOffline(true);
    await page.reload();
    await lookAt(page, [path]);
    await expect(page.evaluate(() => fetch('https://example.org/').then(() => 'sent'))).rejects.toThrow();
  });

  it('goes on by itself with what waits when the device is lost or out of memory, and says so', async () => {
    const { page } = await pages.open('index.html', { losable: true });
    // Chosen before the model is open: the photograph waits.
    await page.locator('#choose').setInputFiles([await picture('plain.png')]);
    await page.getByText('Done: 1 photograph looked at.').waitFor();
    await loseDevice(page);
    await page.locator('#choose').setInputFiles([await picture('plain.jpg')]);
    await page.locator('#failure', { hasText: 'The graphics device was lost' }).waitFor();
    await page.getByText('Done: 2 photographs looked at.').waitFor();
    await endMemory(page);
    await page.locator('#choose').setInputFiles([await picture('gray.png')]);
    await page.locator('#failure', { hasText: 'Out of graphics memory' }).waitFor();
    await page.getByText('Done: 3 photographs looked at.').waitFor();
    expect(await page.locator('.badge.bad').count()).toBe(0);
    // The pixels of the one that is shown are kept; those of another are decoded again.
    // Meanwhile nothing of the one before stands under its name.
    await page.locator('#thumbs button', { hasText: 'gray.png' }).click();
    const shown = "document.querySelector('#result-title').textContent + document.querySelector('.look').hidden";
    expect(await page.evaluate(`document.querySelector('#thumbs li:nth-child(2) button').click(), ${shown}`)).toBe(
      'plain.jpgtrue',
    );
    await expect.poll(() => page.locator('#save-overlay').isEnabled(), { timeout: 60_000 }).toBe(true);
  });

  it('refuses pictures and models that it cannot use, and says why', async () => {
    const { page } = await pages.open('index.html');
    await page.getByText(/^Ready: /).waitFor();
    const cmyk = join(folder, 'cmyk.jpg');
    writeFileSync(cmyk, await raw.clone().toColourspace('cmyk').jpeg().toBuffer());
    const broken = join(folder, 'broken.png');
    writeFileSync(broken, 'not a picture');
    const black = join(folder, 'black.png');
    writeFileSync(
      black,
      await sharp({ create: { width: 64, height: 64, channels: 3, background: '#000' } })
        .png()
        .toBuffer(),
    );
    await page.locator('#choose').setInputFiles([cmyk, broken, black]);
    await page.getByText('Done: 3 photographs looked at.').waitFor();
    for (const [name, text] of [
      ['cmyk.jpg', 'is a CMYK picture'],
      ['broken.png', 'cannot be decoded'],
      ['black.png', 'no bright disc in the picture'],
    ]) {
      await page.locator('#thumbs button', { hasText: name }).click();
      await page.locator('#warnings', { hasText: text }).waitFor();
    }
    const weights = join(model, 'model.safetensors');
    const whole = readFileSync(weights);
    writeFileSync(weights, 'damaged');
    await page.reload();
    await page.getByText('The model is damaged: model.safetensors has 7 bytes').waitFor();
    writeFileSync(weights, whole);
  });
});
