import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'kernels-test/**/*.test.ts', 'cli/**/*.test.ts', 'bench/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Dawn lives in native code: forks keep one instance a process (a second `create()` in one process can abort).
    pool: 'forks',
    maxWorkers: 2,
  },
});
