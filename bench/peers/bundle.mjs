/** Bundles the named engines, which plain Node cannot load directly, into .cache/peers/bundles: `node bundle.mjs tfjs-webgpu tfjs-wasm`. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

for (const name of process.argv.slice(2)) {
  await build({
    entryPoints: [here(`engines/${name}-bundle.mjs`)],
    outfile: here(`../../.cache/peers/bundles/${name}.mjs`),
    bundle: true,
    format: 'esm',
    platform: 'node',
    // The packages' ES modules: their CommonJS builds leave the gradients out.
    mainFields: ['module', 'main'],
    banner: {
      js: [
        "import { createRequire as makeRequire } from 'node:module';",
        'const require = makeRequire(import.meta.url);',
        'const __filename = import.meta.filename;',
        'const __dirname = import.meta.dirname;',
      ].join(' '),
    },
    logLevel: 'warning',
  });
}
