/**
 * Tier: headless browser. Kernels and a training step in Firefox, whose shader compiler and WebGPU are not Dawn's (naga and wgpu). The installed
 * Firefox, or $GMTL_FIREFOX, is started without a driver: the page sends what it found to the test. Skipped, and counted, where there is none or it
 * finds no adapter.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { LONG_TESTS } from '../../kernels-test/long.ts';
import { createNodeDevice } from '../../src/engine/node/createDevice.ts';
import type { FirefoxReport } from './firefoxPage.ts';
import { stepNumbers } from './stepNumbers.ts';

const firefox = [process.env.GMTL_FIREFOX ?? '', '/usr/bin/firefox-esr', '/usr/bin/firefox'].find(existsSync);

/** WebGPU is behind a preference on Linux, and so are software adapters. */
const PREFERENCES = {
  'dom.webgpu.enabled': true,
  'gfx.webgpu.ignore-blocklist': true,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
};

/** In short runs: moving of bit patterns, sums in workgroup memory, products. */
const OPS = LONG_TESTS ? [] : ['gather', 'slice', 'floatCast', 'layerNorm', 'matmul'];

/** Seconds until Firefox is given up. */
const LIMIT = LONG_TESTS ? 1800 : 600;

/** Opens a page in Firefox that runs `report`, and gives what it sends. */
async function reportOf(executable: string): Promise<FirefoxReport> {
  const code = `import { report } from './firefoxPage.ts';
    report(${JSON.stringify(OPS)}).then((found) => fetch('/', { method: 'POST', body: JSON.stringify(found) }));`;
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: import.meta.dirname },
    ...{ bundle: true, platform: 'browser', format: 'esm', write: false },
  });
  let sent: (found: FirefoxReport) => void = () => undefined;
  const found = new Promise<FirefoxReport>((resolve, reject) => {
    sent = resolve;
    setTimeout(() => reject(new Error(`Firefox sent nothing in ${LIMIT} s`)), LIMIT * 1000).unref();
  });
  const server = createServer(async (request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html');
    response.end(
      isScript
        ? outputFiles[0].text
        : '<!doctype html><title>gmtl</title><script type="module" src="/page.js"></script>',
    );
    if (request.method === 'POST') sent(JSON.parse(await text(request)) as FirefoxReport);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const profile = mkdtempSync(join(tmpdir(), 'gmtl-firefox-'));
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref('${name}', ${value});\n`);
  writeFileSync(join(profile, 'user.js'), lines.join(''));
  const { port } = server.address() as AddressInfo;
  const words = ['--headless', '--no-remote', '--profile', profile, `http://127.0.0.1:${port}/`];
  // A group of its own, so that all of its processes end with it.
  const browser = spawn(executable, words, { detached: true, stdio: 'ignore' });
  const ended = new Promise<Error>((resolve) => {
    browser.once('error', resolve);
    browser.once('close', (code) => resolve(new Error(`${executable} ended with ${code} before it sent anything`)));
  });
  try {
    const first = await Promise.race([found, ended]);
    if (first instanceof Error) throw first;
    return first;
  } finally {
    try {
      if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
    await ended;
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, maxRetries: 5, retryDelay: 200 });
  }
}

describe.skipIf(firefox === undefined)('Firefox', () => {
  it('runs the kernels right, and a training step as Node does', async ({ skip }) => {
    const { failure, cases, problems, numbers } = await reportOf(firefox ?? '');
    skip(failure?.code === 'adapter/none' || failure?.code === 'adapter/no-webgpu', failure?.message);
    expect(failure).toBeNull();
    expect(problems).toEqual([]);
    expect(cases).toBeGreaterThan(10);

    const { device } = await createNodeDevice();
    const here = await stepNumbers(device);
    device.destroy();
    expect(Object.keys(numbers?.gradients ?? {})).toEqual(Object.keys(here.gradients));
    // Some gradients are zero but for rounding (a bias before a normalization). Not the weights after the step: AdamW divides those by their
    // own size.
    for (const [name, values] of Object.entries(here.gradients)) {
      const there = numbers?.gradients[name] ?? [];
      const most = Math.max(...values.map(Math.abs));
      const off = Math.max(...values.map((value, at) => Math.abs(value - there[at])));
      expect(off, name).toBeLessThanOrEqual(1e-5 * most + 1e-7);
    }
    for (const [at, { loss }] of here.steps.entries()) {
      expect(Math.abs((numbers?.steps[at].loss ?? Number.NaN) - loss) / loss).toBeLessThan(1e-5);
    }
  }, 2_000_000);
});
