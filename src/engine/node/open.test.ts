/** Tier: any adapter. Which adapter is chosen and why, and that a process which opened one ends by itself. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classifyAdapter, matchesName, readAdapterInfo } from '../gpu/classify.ts';
import { dawnFlags, listAdapters } from './list.ts';
import { explainRefusal } from './probe.ts';
import { driverEnvironment, systemManifests, withEnvironment } from './vulkan.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const onLinuxX64 = process.platform === 'linux' && process.arch === 'x64';

const llvmpipe = {
  vendor: 'mesa',
  architecture: 'software',
  device: 'llvmpipe-llvm-15-0-6-256-bits-',
  description: 'llvmpipe: Mesa 25.0.7 (LLVM 15.0.6)',
  isFallbackAdapter: true,
  subgroupMinSize: 8,
  subgroupMaxSize: 8,
};

describe('what an adapter is (no adapter)', () => {
  it.each([
    [{}, 'lavapipe'],
    [{ vendor: 'google', architecture: 'swiftshader', device: '', description: 'SwiftShader driver' }, 'swiftshader'],
    [{ architecture: '', device: '', description: 'Microsoft Basic Render Driver' }, 'other-software'],
    [
      { architecture: 'hopper', device: 'nvidia-h200', description: 'NVIDIA: 550', isFallbackAdapter: false },
      'hardware',
    ],
  ] as const)('%j is %s', (change, kind) => {
    expect(classifyAdapter({ ...llvmpipe, ...change })).toBe(kind);
  });

  it('goes by its kind and by any part of its names, whatever the case', () => {
    expect(['LLVMpipe', 'lavapipe', 'mesa 25', 'nvidia'].map((name) => matchesName(llvmpipe, name))).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('is read into plain data that survives JSON', () => {
    const native = Object.create({ ...llvmpipe, __brand: 'GPUAdapterInfo' }) as GPUAdapterInfo;
    expect(JSON.parse(JSON.stringify(readAdapterInfo(native)))).toEqual(llvmpipe);
  });
});

describe('which drivers Dawn sees (no adapter)', () => {
  const everything = { which: 'system-and-embedded' } as const;

  it('adds SwiftShader to the system and switches the sorting off that would put it first', () => {
    expect(driverEnvironment(everything, {}, '/cache/swift.json', true)).toEqual({
      VK_LOADER_DISABLE_SELECT: '1',
      VK_ADD_DRIVER_FILES: '/cache/swift.json',
    });
  });

  it('keeps drivers that the user adds', () => {
    const variables = driverEnvironment(everything, { VK_ADD_DRIVER_FILES: '/mine.json' }, '/swift.json', true);
    expect(variables.VK_ADD_DRIVER_FILES).toBe('/swift.json:/mine.json');
  });

  it.each(['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'])('leaves everything alone where the user sets %s', (variable) => {
    expect(driverEnvironment(everything, { [variable]: '/mine.json' }, '/swift.json', true)).toEqual({});
  });

  it('gives old loaders a full list, found where the loader would look', () => {
    const folder = mkdtempSync(join(tmpdir(), 'gmtl-icd-'));
    try {
      const drivers = join(folder, 'vulkan', 'icd.d');
      mkdirSync(drivers, { recursive: true });
      writeFileSync(join(drivers, 'some_icd.json'), '{}');
      writeFileSync(join(drivers, 'readme.txt'), '');
      const environment = { HOME: '/nowhere', XDG_DATA_DIRS: folder };
      expect(systemManifests(environment)).toContainEqual({ path: join(drivers, 'some_icd.json'), source: 'system' });
      const list = driverEnvironment(everything, environment, '/swift.json', false).VK_ICD_FILENAMES.split(':');
      expect(list[0]).toBe('/swift.json');
      expect(list).toContain(join(drivers, 'some_icd.json'));
      expect(list).not.toContain(join(drivers, 'readme.txt'));
      expect(systemManifests({ ...environment, VK_DRIVER_FILES: drivers }).map(({ path }) => path)).toEqual([
        join(drivers, 'some_icd.json'),
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('puts the environment back, also after a failure', async () => {
    process.env.GMTL_TEST_KEPT = 'before';
    const failing = withEnvironment({ GMTL_TEST_KEPT: 'during', GMTL_TEST_NEW: 'during' }, async () => {
      expect([process.env.GMTL_TEST_KEPT, process.env.GMTL_TEST_NEW]).toEqual(['during', 'during']);
      throw new Error('on purpose');
    });
    await expect(failing).rejects.toThrow('on purpose');
    expect([process.env.GMTL_TEST_KEPT, process.env.GMTL_TEST_NEW]).toEqual(['before', undefined]);
    delete process.env.GMTL_TEST_KEPT;
  });

  it('lets a caller add and take away Dawn toggles', () => {
    expect(dawnFlags(['dump_shaders', '-vulkan_enable_f16_on_nvidia', 'timestamp_quantization'])).toEqual([
      'enable-dawn-features=allow_unsafe_apis,disable_robustness,dump_shaders,timestamp_quantization',
      'disable-dawn-features=vulkan_enable_f16_on_nvidia',
    ]);
  });

  it('says in words what Dawn printed when it refused Mesa 22', () => {
    const messages =
      'Warning: Vulkan shaderUniform*ArrayDynamicIndexing required.\n' +
      ' - While initializing adapter (backend=BackendType::Vulkan)\n    at InitializeImpl (PhysicalDeviceVk.cpp:257)\n';
    expect(explainRefusal({ adapters: [], messages, failure: undefined })).toBe(
      'Dawn refuses the driver: Vulkan shaderUniform*ArrayDynamicIndexing required.',
    );
  });
});

/** What a child process reports on its standard output, one JSON line. */
interface ChildReport {
  readonly kind?: string;
  readonly reason?: string;
  readonly result?: number[];
  readonly leaked?: string[];
  readonly code?: string;
  readonly message?: string;
}

/*
 * The children are plain Node 20, which cannot run TypeScript: the sources are compiled once, beside node_modules so that
 * packages resolve.
 */
describe('a process that opens an adapter (any adapter)', () => {
  let scratch: string;

  beforeAll(async () => {
    const cache = join(root, 'node_modules', '.cache');
    mkdirSync(cache, { recursive: true });
    scratch = mkdtempSync(join(cache, 'gmtl-open-'));
    const configuration = {
      extends: join(root, 'tsconfig.build.json'),
      compilerOptions: {
        rootDir: join(root, 'src'),
        outDir: scratch,
        declaration: false,
        sourceMap: false,
        typeRoots: [join(root, 'node_modules', '@types')],
        types: ['node', join(root, 'node_modules', '@webgpu', 'types')],
      },
      include: [],
      files: [join(root, 'src/engine/node/open.ts')],
    };
    writeFileSync(join(scratch, 'package.json'), '{"type":"module"}');
    writeFileSync(join(scratch, 'tsconfig.json'), JSON.stringify(configuration));
    const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
    const { status, output } = await run([compiler, '-p', scratch], {});
    expect(output).toBe('');
    expect(status).toBe(0);
  });

  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  /** Ends by itself or fails the test: a hung child is killed after 20 s, which gives the status null. */
  function run(args: string[], variables: Record<string, string>): Promise<{ status: number | null; output: string }> {
    return new Promise((resolve) => {
      const env = { ...process.env, GMTL_ADAPTER: '', ...variables };
      const child = execFile(process.execPath, args, { env, timeout: 20_000, killSignal: 'SIGKILL' }, (_, output) => {
        resolve({ status: child.exitCode, output });
      });
    });
  }

  async function inChild(body: string, variables: Record<string, string> = {}): Promise<ChildReport> {
    const program = `
      import { openAdapter } from ${JSON.stringify(pathToFileURL(join(scratch, 'engine/node/open.js')).href)};
      const report = (value) => console.log('report:' + JSON.stringify(value));
      try { ${body} } catch (error) { report({ code: error.code, message: error.message }); }`;
    const { status, output } = await run(['--input-type=module', '--eval', program], variables);
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining('report:') });
    return JSON.parse(output.slice(output.indexOf('report:') + 'report:'.length)) as ChildReport;
  }

  const open = (choice: string) => `
    const { kind, reason, release } = await openAdapter(${JSON.stringify(choice)});
    const leaked = Object.keys(process.env).filter((name) => name.startsWith('VK_'));
    release(); release();
    report({ kind, reason, leaked });`;

  /** One dispatch that squares four numbers, read back, everything destroyed. */
  const dispatch = (choice: string) => `
    const opened = await openAdapter(${JSON.stringify(choice)});
    const device = await opened.adapter.requestDevice();
    const code = '@group(0) @binding(0) var<storage, read_write> x: array<f32>;' +
      '@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) { x[i] = x[i] * x[i]; }';
    const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module: device.createShaderModule({ code }) } });
    const data = device.createBuffer({ size: 16, usage: 0x80 | 0x8 | 0x4 });
    const result = device.createBuffer({ size: 16, usage: 0x1 | 0x8 });
    device.queue.writeBuffer(data, 0, new Float32Array([1, 2, 3, 4]));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    const entries = [{ binding: 0, resource: { buffer: data } }];
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(data, 0, result, 0, 16);
    device.queue.submit([encoder.finish()]);
    await result.mapAsync(1);
    report({ kind: opened.kind, result: [...new Float32Array(result.getMappedRange())] });
    device.destroy();
    opened.release();`;

  it.runIf(onLinuxX64)('gets SwiftShader without any driver of the system, and ends by itself', async () => {
    const report = await inChild(open('swiftshader'));
    expect(report.message).toBeUndefined();
    expect(report.kind).toBe('swiftshader');
    expect(report.leaked).toEqual(Object.keys(process.env).filter((name) => name.startsWith('VK_')));
  });

  it.runIf(onLinuxX64)('unpacks SwiftShader once when several processes start at the same time', async () => {
    const cache = join(scratch, 'cache');
    const reports = await Promise.all([1, 2, 3].map(() => inChild(open('swiftshader'), { XDG_CACHE_HOME: cache })));
    expect(reports.map(({ kind }) => kind)).toEqual(['swiftshader', 'swiftshader', 'swiftshader']);
    expect(readdirSync(join(cache, 'gmtl'))).toEqual([expect.stringMatching(/^swiftshader-[\d.]+-x64$/)]);
  });

  // Below /proc a recursive mkdir of Node's never ends.
  const unmakeable = ['/dev/null', '/proc/cache'];
  it.runIf(onLinuxX64).each(unmakeable)(
    'takes the temporary folder where %s cannot be the cache, and says so',
    async (cache) => {
      const temporary = mkdtempSync(join(scratch, 'temporary-'));
      const report = await inChild(open('swiftshader'), { XDG_CACHE_HOME: cache, TMPDIR: temporary });
      expect(report.kind).toBe('swiftshader');
      expect(report.reason).toContain(`unpacked to ${temporary}`);
    },
  );

  it.runIf(onLinuxX64)('runs a dispatch on SwiftShader and ends by itself', async () => {
    expect(await inChild(dispatch('swiftshader'))).toEqual({ kind: 'swiftshader', result: [1, 4, 9, 16] });
  });

  it('runs a dispatch on the adapter of its own choice and ends by itself', async () => {
    const report = await inChild(dispatch('auto'));
    expect(report.message).toBeUndefined();
    expect(report.result).toEqual([1, 4, 9, 16]);
  });

  it('runs a dispatch on lavapipe, where Dawn accepts it, and ends by itself', async (context) => {
    const listings = await listAdapters();
    if (!listings.some(({ kind }) => kind === 'lavapipe'))
      context.skip('this machine has no lavapipe that Dawn accepts');
    expect(await inChild(dispatch('lavapipe'))).toEqual({ kind: 'lavapipe', result: [1, 4, 9, 16] });
    expect((await inChild(open('software'))).kind).toBe('lavapipe');
  });

  it.runIf(onLinuxX64)('obeys GMTL_ADAPTER where the caller has no wish', async () => {
    const report = await inChild(open('auto'), { GMTL_ADAPTER: 'SwiftShader' });
    expect(report.kind).toBe('swiftshader');
    expect(report.reason).toContain('GMTL_ADAPTER');
  });

  it('opens again after a release, and refuses a second instance beside the first', async () => {
    const report = await inChild(`
      (await openAdapter()).release();
      const first = await openAdapter();
      const same = await openAdapter();
      same.release();
      try { await openAdapter('auto', { dawnFeatures: ['dump_shaders'] }); } finally { first.release(); }`);
    expect(report.code).toBe('adapter/one-instance');
  });

  it('names what there is when an unknown name is asked for', async () => {
    const report = await inChild(open('no-such-adapter'));
    expect(report.code).toBe('adapter/not-found');
    expect(report.message).toContain('"no-such-adapter"');
    if (onLinuxX64) expect(report.message).toContain('swiftshader: SwiftShader');
  });

  it.runIf(onLinuxX64)('looks only at the drivers the user names', async () => {
    const report = await inChild(open('auto'), { VK_DRIVER_FILES: join(scratch, 'missing.json') });
    expect(report.code).toBe('adapter/not-found');
    expect(report.message).toContain('VK_DRIVER_FILES is set to');
  });
});
