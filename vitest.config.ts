import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Tests run the shaders as they are now.
execFileSync(process.execPath, [fileURLToPath(new URL('shaders/bundle.mjs', import.meta.url))], { stdio: 'inherit' });

export default defineConfig({
  test: {
    include: [
      'src/**/*.test.ts',
      'kernels-test/**/*.test.ts',
      'cli/**/*.test.ts',
      'bench/**/*.test.ts',
      'docs/**/*.test.ts',
    ],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Dawn lives in native code: forks keep one instance a process (a second `create()` in one process can abort).
    pool: 'forks',
    maxWorkers: 2,
  },
});
