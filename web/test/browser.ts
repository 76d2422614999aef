/** A headless browser with WebGPU for tests, the built pages served to it, and what it asked the network for. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { startWebServer, type WebServer } from '../server.ts';
import { carriedBrowser } from './carriedBrowser.ts';

/** WebGPU on the browser's own SwiftShader: the same adapter everywhere. */
const FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--use-webgpu-adapter=swiftshader',
  '--enable-webgpu-developer-features',
];

const SYSTEM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/microsoft-edge'];

interface Choice {
  readonly executable: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** What may be tried, best first: $GMTL_BROWSER, the browser that the project's packages carry, the system's. */
async function choices(): Promise<Choice[]> {
  const plain = (executable: string): Choice => ({ executable, environment: {} });
  const named = process.env.GMTL_BROWSER;
  if (named) return [plain(named)];
  const carried = await carriedBrowser();
  return [
    ...(carried
      ? [
          plain(carried.executable),
          { ...plain(carried.executable), environment: { LD_LIBRARY_PATH: carried.libraries } },
        ]
      : []),
    ...SYSTEM.filter((path) => existsSync(path)).map(plain),
  ];
}

/** A browser in which a page gets a WebGPU adapter; null, and the reasons, where there is none. */
async function launch(): Promise<{ browser: Browser | null; reasons: string[] }> {
  const reasons: string[] = [];
  for (const { executable, environment } of await choices()) {
    try {
      const browser = await chromium.launch({
        executablePath: executable,
        args: FLAGS,
        env: { ...(process.env as Record<string, string>), ...environment },
      });
      return { browser, reasons };
    } catch (error) {
      reasons.push(`${executable}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    }
  }
  return {
    browser: null,
    reasons: reasons.length > 0 ? reasons : ['no browser was found; name one with GMTL_BROWSER'],
  };
}

const launched = await launch();

/** Why the browser tests cannot run here; null where they can. Tests skip by it, and are counted as skipped. */
export const noBrowser: string | null = launched.browser === null ? launched.reasons.join('; ') : null;
if (noBrowser !== null) console.info(`no headless browser: ${noBrowser}`);

export interface OpenedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Every request since the page was opened. */
  readonly requests: string[];
  /** Errors of scripts, and what the page wrote to the console as an error. */
  readonly errors: string[];
  readonly url: string;
}

export interface PageOptions {
  /** Default 1280 by 900. */
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly colorScheme?: 'light' | 'dark';
  /** Whether `loseDevice` and `endMemory` can take the worker's device and memory away. */
  readonly losable?: boolean;
}

/** To be called once per test file: builds the pages as they are now, starts the server (for a model folder that `model` makes) and closes all at the end. */
export function usePages(model?: () => Promise<string>): {
  open(file: string, options?: PageOptions): Promise<OpenedPage>;
  server(): WebServer;
} {
  let server: WebServer | null = null;
  let clean = (): void => undefined;
  const contexts: BrowserContext[] = [];
  beforeAll(async () => {
    if (noBrowser !== null) return;
    const pages = mkdtempSync(join(tmpdir(), 'gmtl-pages-'));
    execFileSync(process.execPath, [fileURLToPath(new URL('../build.mjs', import.meta.url)), pages]);
    server = await startWebServer({ port: 0, pages, model: await model?.() });
    clean = () => rmSync(pages, { recursive: true });
  });
  afterAll(async () => {
    for (const context of contexts) await context.close();
    await server?.close();
    clean();
    await launched.browser?.close();
  });
  return {
    server: () => server!,
    async open(file, { viewport = { width: 1280, height: 900 }, colorScheme = 'light', losable = false } = {}) {
      const context = await launched.browser!.newContext({ viewport, colorScheme, acceptDownloads: true });
      if (losable) await keepDevices(context);
      contexts.push(context);
      const page = await context.newPage();
      // Software adapters on a busy machine are slow.
      page.setDefaultTimeout(120_000);
      const requests: string[] = [];
      const errors: string[] = [];
      context.on('request', (request) => requests.push(request.url()));
      page.on('pageerror', (error) => errors.push(String(error)));
      page.on('console', (message) => {
        if (message.type() === 'error') errors.push(message.text());
      });
      const url = server!.url + file;
      await page.goto(url);
      return { page, context, requests, errors, url };
    },
  };
}

/** Lets a page import `/NAME` as a module of its own: `code`, bundled as if it stood in this folder. */
export async function serveModule(context: BrowserContext, name: string, code: string): Promise<void> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: import.meta.dirname },
    ...{ bundle: true, platform: 'browser', format: 'esm', write: false },
  });
  await context.route(`**/${name}`, (route) =>
    route.fulfill({ contentType: 'text/javascript', body: outputFiles?.[0].text ?? '' }),
  );
}

/** The name of workers that have no memory from their start. */
const WITHOUT_MEMORY = 'without memory';

/** Lets workers keep the device that they are given where `loseDevice` finds it, and end their memory where `endMemory` says so. */
async function keepDevices(context: BrowserContext): Promise<void> {
  const kept = `
    const given = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...options) {
      return (self.deviceInUse = await given.apply(this, options));
    };
    self.memoryEnds = self.name === '${WITHOUT_MEMORY}';
    const pushed = GPUDevice.prototype.pushErrorScope;
    GPUDevice.prototype.pushErrorScope = function (filter) {
      (this.filters ??= []).push(filter);
      return pushed.call(this, filter);
    };
    const popped = GPUDevice.prototype.popErrorScope;
    GPUDevice.prototype.popErrorScope = function () {
      const own = popped.call(this);
      const isMemory = this.filters.pop() === 'out-of-memory';
      return isMemory && self.memoryEnds ? own.then(() => ({ message: 'out of memory' })) : own;
    };`;
  await context.route('**/assets/*Worker.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${await response.text()}\n${kept}` });
  });
}

/** Takes the device away from the page's worker, as a crashed driver or a suspended laptop does. */
export async function loseDevice(page: Page): Promise<void> {
  await page.workers().at(-1)?.evaluate('self.deviceInUse.destroy()');
}

/** Lets every allocation of the page's worker fail from now on, as a full adapter does. */
export async function endMemory(page: Page): Promise<void> {
  await page.workers().at(-1)?.evaluate('self.memoryEnds = true');
}

/** Lets the workers that the page starts from now on have no memory. @returns what lets later ones have memory again. */
export async function endMemoryOfNext(page: Page): Promise<() => Promise<void>> {
  await page.evaluate(`
    globalThis.givenWorker = Worker;
    Worker = class extends givenWorker {
      constructor(url, options) { super(url, { ...options, name: '${WITHOUT_MEMORY}' }); }
    };`);
  return () => page.evaluate('Worker = givenWorker; undefined');
}

/** Puts the page into the background, or back, as far as it can tell: a headless browser shows all its pages. */
export async function setHidden(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate(`
    globalThis.waiting ??= [globalThis.requestAnimationFrame];
    requestAnimationFrame = ${hidden} ? (act) => waiting.push(act) : waiting[0];
    Object.defineProperty(document, 'hidden', { configurable: true, value: ${hidden} });
    document.dispatchEvent(new Event('visibilitychange'));
    if (!${hidden}) for (const act of waiting.splice(1)) requestAnimationFrame(act);`);
}

/** The text of a file that the page offers when `act` is done. */
export async function downloadedText(page: Page, act: () => Promise<void>): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent('download'), act()]);
  const chunks: Buffer[] = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
