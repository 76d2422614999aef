/**
 * Tier: any adapter, built command line. The package as it would be published, installed into an empty folder (from npm's cache or the registry) whose path has a
 * space and an umlaut: first without the optional packages, then with them.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { build as buildWithVite } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LONG_TESTS } from '../kernels-test/long.ts';
import { generateSyntheticIdrid } from '../src/retina/data/synth/index.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const MINUTES = 60_000;

/** Upper bounds in bytes. What was measured is in docs/package.md. */
const BUDGET = { tarball: 3.5e6, unpacked: 10.4e6, bundleGzip: 150e3, wholeGzip: 165e3, withoutOptional: 24e6 };

let folder = '';
let packed: { filename: string; size: number; unpackedSize: number; files: { path: string }[] };

/** Runs a program in the consumer's folder; never throws for its exit code. */
function run(program: string, ...words: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(program, words, { cwd: folder, maxBuffer: 1e8 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr });
    });
  });
}

async function npmInstall(...words: string[]): Promise<void> {
  const { code, output } = await run('npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', ...words);
  expect(code, output).toBe(0);
}

const gmtl = (...words: string[]) => run('npx', '--no-install', 'gmtl', ...words);

/** Bytes of a folder's files. */
async function bytesOf(path: string): Promise<number> {
  const { stdout } = await promisify(execFile)('du', ['-sb', path]);
  return Number.parseInt(stdout, 10);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gmtl pächchen '));
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const { stdout } = await promisify(execFile)('npm', pack, { cwd: root, maxBuffer: 1e8 });
  [packed] = JSON.parse(stdout);
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  await cp(join(root, 'cli/fixtures/consumer'), folder, { recursive: true });
  await npmInstall('--omit=optional', `./${packed.filename}`, 'typescript-5@npm:typescript@~5.9.0');
}, 5 * MINUTES);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the package', () => {
  it('holds documents whose links lead to what it holds, and no tests', async () => {
    const files = new Set(packed.files.map(({ path }) => path));
    for (const path of [...files]) {
      for (let parent = posix.dirname(path); parent !== '.'; parent = posix.dirname(parent)) files.add(parent);
    }
    const dead: string[] = [];
    for (const path of [...files].filter((name) => name.endsWith('.md'))) {
      for (const [, target] of (await readFile(join(root, path), 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^([a-z]+:|#)/.test(target)) continue;
        const file = posix.join(posix.dirname(path), target.split('#')[0]).replace(/\/$/, '');
        if (!files.has(file)) dead.push(`${path}: ${target}`);
      }
    }
    expect(dead).toEqual([]);
    expect([...files].filter((path) => /\.test\.|testsupport|fixtures|\.map$/.test(path))).toEqual([]);
    for (const path of ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist/cli/main.js']) expect(files).toContain(path);
  });

  it('is small', async () => {
    expect(packed.size).toBeLessThan(BUDGET.tarball);
    expect(packed.unpackedSize).toBeLessThan(BUDGET.unpacked);
    const typescript = await bytesOf(join(folder, 'node_modules/typescript-5'));
    expect((await bytesOf(join(folder, 'node_modules'))) - typescript).toBeLessThan(BUDGET.withoutOptional);
  });

  it('gives shaders and its description by name', async () => {
    const program = `
      import { createRequire } from 'node:module';
      const require = createRequire(import.meta.url);
      console.log(require('gmtl/package.json').name, require.resolve('gmtl/shaders/unary/forward.wgsl'));`;
    const { output } = await run(process.execPath, '--input-type=module', '--eval', program);
    expect(output).toMatch(/^gmtl .*forward\.wgsl\n$/);
  });
});

describe('without the optional packages', () => {
  it('commands name what is missing, what it is for and how to get it', async () => {
    const doctor = await gmtl('doctor');
    expect(doctor.code).toBe(1);
    for (const name of ['webgpu', 'sharp', 'echarts']) expect(doctor.output).toContain(`  ${name}, to `);
    expect(doctor.output).toContain('error: The package webgpu is not installed; gmtl needs it to reach a GPU');
    expect(doctor.output).toContain('`npm install --include=optional`');
    const synth = await gmtl('data', 'synth', 'drawn', '--size', '64');
    expect(synth.output).toContain(
      'error: The package sharp is not installed; gmtl needs it to read and write pictures',
    );
  });

  it('says of a package that does not load that it is there, and why it does not', async () => {
    const fake = join(folder, 'node_modules/sharp');
    await mkdir(fake);
    await writeFile(join(fake, 'index.js'), "throw new Error('built for another system')");
    const { code, output } = await gmtl('data', 'synth', 'drawn', '--size', '64');
    await rm(fake, { recursive: true });
    expect(code).toBe(1);
    expect(output).toContain('error: The package sharp is installed but does not load: built for another system');
  });

  it('the library is imported, and throws a typed error where it needs one of them', async () => {
    const program = `
      import { createEngine, GmtlError } from 'gmtl';
      await createEngine().catch((error) => console.log(error instanceof GmtlError, error.code));`;
    const { output } = await run(process.execPath, '--input-type=module', '--eval', program);
    expect(output).toBe('true install/missing\n');
  });
});

describe('a strict TypeScript consumer without skipLibCheck', () => {
  const compilers = {
    '5.9': () => join(folder, 'node_modules/typescript-5/bin/tsc'),
    '7': () => join(root, 'node_modules/typescript/bin/tsc'),
  };
  const modules = { bundler: 'esnext', nodenext: 'nodenext' };
  const cases = [
    { version: '7', resolution: 'bundler', lib: 'es2023,dom' },
    { version: '7', resolution: 'nodenext', lib: 'es2023' },
    // The compiler that is written in JavaScript takes five seconds: one of its two forms is enough but in the long form.
    ...(LONG_TESTS ? [{ version: '5.9', resolution: 'bundler', lib: 'es2023' } as const] : []),
    { version: '5.9', resolution: 'nodenext', lib: 'es2023,dom' },
  ] as const;

  it.each(cases)(
    'TypeScript $version, moduleResolution $resolution, lib $lib',
    async ({ version, resolution, lib }) => {
      const words = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2022', '--lib', lib];
      const how = ['--module', modules[resolution], '--moduleResolution', resolution];
      const { output } = await run(process.execPath, compilers[version](), ...words, ...how, 'node.ts', 'browser.ts');
      expect(output).toBe('');
    },
  );
});

describe('a browser consumer', () => {
  async function runs(code: string, name: string): Promise<void> {
    const file = join(folder, `${name}.mjs`);
    await writeFile(file, code);
    const program = `
      import { learn } from ${JSON.stringify(pathToFileURL(file).href)};
      console.log(JSON.stringify(await learn()));`;
    const { output } = await run(process.execPath, '--input-type=module', '--eval', program);
    const [first, last] = JSON.parse(output) as number[];
    expect(first).toBeGreaterThan(0.5);
    expect(last).toBeLessThan(0.1);
  }

  it('is bundled by esbuild within its budget, and works', async () => {
    const options = {
      absWorkingDir: folder,
      bundle: true,
      minify: true,
      platform: 'browser',
      format: 'esm',
      write: false,
    } as const;
    const own = await build({ ...options, entryPoints: ['browser.ts'] });
    expect(own.warnings).toEqual([]);
    expect(gzipSync(own.outputFiles[0].contents).length).toBeLessThan(BUDGET.bundleGzip);
    await runs(own.outputFiles[0].text, 'esbuild');
    const whole = await build({ ...options, stdin: { contents: "export * from 'gmtl/browser'", resolveDir: folder } });
    expect(gzipSync(whole.outputFiles[0].contents).length).toBeLessThan(BUDGET.wholeGzip);
  });

  it('is bundled by Vite, and works', async () => {
    const built = await buildWithVite({
      root: folder,
      configFile: false,
      logLevel: 'warn',
      build: { write: false, target: 'es2022', lib: { entry: 'browser.ts', formats: ['es'], fileName: 'vite' } },
    });
    const [bundle] = [built].flat();
    if (!('output' in bundle)) throw new Error('Vite gave a watcher instead of a bundle');
    const [chunk] = bundle.output;
    expect(chunk.imports).toEqual([]);
    expect(gzipSync(chunk.code).length).toBeLessThan(BUDGET.bundleGzip);
    await runs(chunk.code, 'vite');
  });
});

describe('with the optional packages, got as the message says', () => {
  beforeAll(() => npmInstall('--include=optional'), 5 * MINUTES);

  it('npx gmtl doctor finds an adapter that computes right', async () => {
    const { code, output } = await gmtl('doctor');
    expect(code, output).toBe(0);
    expect(output).not.toContain('Not installed');
    expect(output).toContain('The adapter computes what it should.');
  });

  it('npx gmtl infer predicts for a photograph', async () => {
    const counts = { segmentationTrain: 1, segmentationTest: 1, gradingTrain: 1, gradingTest: 1 };
    await generateSyntheticIdrid({ directory: join(folder, 'data'), size: 64, ...counts });
    await cp(join(root, 'cli/fixtures/run-0.1'), join(folder, 'run'), { recursive: true });
    const photo = 'data/B. Disease Grading/1. Original Images/b. Testing Set/IDRiD_001.jpg';
    const { code, output } = await gmtl('infer', photo, '--run', 'run', '--out', 'found');
    expect(code, output).toBe(0);
    const table = await readFile(join(folder, 'found/predictions.csv'), 'utf8');
    expect(table.trim().split('\n')).toHaveLength(2);
    expect((await stat(join(folder, 'found/IDRiD_001_overlay.png'))).size).toBeGreaterThan(1000);
  });
});
