/** Tier: headless browser. A training step in a page against the same step in Node, both on SwiftShader. */
import { describe, expect, it } from 'vitest';
import { createNodeDevice } from '../../src/engine/node/createDevice.ts';
import { noBrowser, serveModule, usePages } from './browser.ts';
import { type StepNumbers, stepNumbers } from './stepNumbers.ts';

/** The largest difference over the largest value: the two Dawns translate shaders of their own, sums may be fused differently. */
function relativeDifference(a: readonly number[], b: readonly number[]): number {
  const most = a.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const difference = a.reduce((max, value, at) => Math.max(max, Math.abs(value - b[at])), 0);
  return difference === 0 ? 0 : difference / most;
}

describe.skipIf(noBrowser !== null)('a training step in a page', () => {
  const pages = usePages();

  it('has the losses, the gradients and the state that it has in Node', async () => {
    const { page, context } = await pages.open('kernels.html');
    await serveModule(context, 'step.js', "export * from './stepNumbers.ts'");
    const there = (await page.evaluate("import('/step.js').then((step) => step.stepNumbersHere())")) as StepNumbers;
    const { device } = await createNodeDevice({ adapter: 'swiftshader' });
    const here = await stepNumbers(device);
    device.destroy();

    expect(Object.keys(here.gradients).length).toBeGreaterThan(40);
    expect(Object.keys(there.gradients)).toEqual(Object.keys(here.gradients));
    expect(Object.keys(there.state)).toEqual(Object.keys(here.state));
    for (const part of ['gradients', 'state'] as const) {
      for (const [name, values] of Object.entries(here[part])) {
        expect(relativeDifference(values, there[part][name]), `${part} ${name}`).toBeLessThan(1e-5);
      }
    }
    for (const [at, { loss, gradNorm }] of here.steps.entries()) {
      expect(Math.abs(there.steps[at].loss - loss) / loss).toBeLessThan(1e-5);
      expect(Math.abs(there.steps[at].gradNorm - gradNorm) / gradNorm).toBeLessThan(1e-5);
    }
    const same = JSON.stringify(there) === JSON.stringify(here);
    console.info(`the page's numbers are Node's${same ? ' bit by bit' : ' within 1e-5'}`);
  }, 400_000);
});
