/** How tests are found and run; `--mode fast` (`npm run test:fast`) takes only those whose header says "Tier: no adapter." */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// Tests run the shaders as they are now.
execFileSync(process.execPath, [fileURLToPath(new URL('shaders/bundle.mjs', import.meta.url))], { stdio: 'inherit' });

/** What a test file needs, as its opening comment says it; CONTRIBUTING.md explains each. */
const TIERS = [
  'no adapter',
  'no adapter, slow',
  'any adapter',
  'any adapter, built command line',
  'adapters with shader-f16',
  'headless browser',
];

const root = fileURLToPath(new URL('./', import.meta.url));

/** Every test file with its tier. Throws where a header names none. */
function testFiles(): { file: string; tier: string }[] {
  return ['src', 'kernels-test', 'cli', 'bench', 'docs', 'web'].flatMap((folder) =>
    readdirSync(root + folder, { recursive: true, encoding: 'utf8' })
      .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)
      .filter((path) => path.endsWith('.test.ts') && !path.includes('node_modules/'))
      .map((file) => {
        const header = /^\/\*\*.*?\*\//s.exec(readFileSync(root + file, 'utf8'))?.[0] ?? '';
        const tier = /Tier: ([^.(]*[^.( ])/.exec(header)?.[1] ?? '';
        if (!TIERS.includes(tier)) {
          throw new Error(`${file} must open with /** Tier: … */ and one of: ${TIERS.join('; ')} (it says "${tier}")`);
        }
        return { file, tier };
      }),
  );
}

/** Files that take minutes: every kernel, browsers and whole programs, then more of kernels. */
const LONG = [/^kernels-test\/kernels\./, /^web\/test\//, /^cli\//, /^kernels-test\//];

/** Begins with the files that take longest: one that begins last would run alone, on one core, when all others are done. */
class LongestFirst extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ project, moduleId }: TestSpecification): number => {
      const place = LONG.findIndex((folder) => folder.test(moduleId.replace(root, '')));
      return project.name === 'fast' ? LONG.length + 1 : place < 0 ? LONG.length : place;
    };
    return (await super.sort(specifications)).toSorted((a, b) => rank(a) - rank(b));
  }
}

const files = testFiles();
const fast = files.flatMap(({ file, tier }) => (tier === 'no adapter' ? [file] : []));
const rest = files.flatMap(({ file, tier }) => (tier === 'no adapter' ? [] : [file]));

export default defineConfig(({ mode }) => ({
  test: {
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Dawn lives in native code: forks keep one instance per process (a second `create()` in one process can abort).
    pool: 'forks',
    // One more than two cores keep busy: tests wait for child processes and for the adapter.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      // Most of the fast tests' time would be loading the same modules for every file.
      { extends: true, test: { name: 'fast', include: fast, isolate: false } },
      ...(mode === 'fast' ? [] : [{ extends: true as const, test: { name: 'adapter', include: rest } }]),
    ],
  },
}));
