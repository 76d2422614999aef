import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The package's Node entry is CommonJS behind "type": "module" and cannot be loaded; its browser module can.
  resolve: {
    alias: {
      wgsl_reflect: fileURLToPath(new URL('node_modules/wgsl_reflect/wgsl_reflect.module.js', import.meta.url)),
    },
  },
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
