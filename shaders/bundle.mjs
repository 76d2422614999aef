/**
 * Writes src/engine/gpu/shaderText.generated.ts, the code of every .wgsl file here by its path: what Node and browsers alike compile kernels from.
 * Every build, type check and test run calls it first; the file is left alone where nothing changed.
 */
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = new URL('./', import.meta.url);
const output = fileURLToPath(new URL('../src/engine/gpu/shaderText.generated.ts', import.meta.url));

const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.wgsl'))
  .sort();
const entries = paths.map((path) => {
  // Without comments, a seventh of a browser's bundle; their lines stay, so that a driver's messages name the right one.
  const text = readFileSync(new URL(path, folder), 'utf8').replace(/^ *\/\/(?! #).*$/gm, '');
  return `  ${JSON.stringify(path)}: ${JSON.stringify(text)},\n`;
});
const module = `/** The code of every file under shaders/ by its path. Written by shaders/bundle.mjs: edit the .wgsl files, not this. */
export const SHADER_TEXT: Readonly<Record<string, string>> = {
${entries.join('')}};
`;

function written() {
  try {
    return readFileSync(output, 'utf8');
  } catch {
    return null;
  }
}

if (written() !== module) {
  // Whole or not at all: two test runs may start at once.
  const draft = `${output}.${process.pid}`;
  writeFileSync(draft, module);
  renameSync(draft, output);
}
