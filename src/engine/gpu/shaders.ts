/** Makes the WGSL of a kernel from the files under shaders/: includes, element formats and generated constants. */
import { GmtlError } from '../errors.ts';
import type { StorageFormat, Width } from './kernel.ts';
import { SHADER_TEXT } from './shaderText.generated.ts';

/** Gives the text of a file under shaders/. */
export type ShaderFiles = (path: string) => string;

/** The package's own shaders. */
export const packagedShaders: ShaderFiles = (path) => {
  if (!Object.hasOwn(SHADER_TEXT, path)) throw new GmtlError('gpu/shader', `there is no shader file shaders/${path}`);
  return SHADER_TEXT[path];
};

interface ShaderLine {
  readonly text: string;
  readonly file: string;
  readonly line: number;
}

/** WGSL ready to compile, with the file and line each of its lines came from. */
export interface AssembledShader {
  readonly code: string;
  readonly lines: readonly { readonly file: string; readonly line: number }[];
}

/** The element formats and width of a kernel: which of two files stands for an include of common/storage.wgsl, result.wgsl and width.wgsl. */
export interface ShaderFormats {
  readonly storage?: StorageFormat;
  readonly result?: StorageFormat;
  readonly width?: Width;
  /** Whether kernels can ask for the size of their subgroups: common/subgroupSized.wgsl for subgroup.wgsl. */
  readonly sized?: boolean;
}

const INCLUDE = /^\/\/ #include "([^"]+)"\s*$/;
const CONSTANT = /^\/\/ #constant (\w+)\s*$/;

const SUBGROUP = ['common/subgroup.wgsl', 'common/subgroupSized.wgsl'] as const;

/** Files that stand for others in kernels of width 4. */
const IN_FOURS: readonly [string, string][] = [
  ['common/width.wgsl', 'common/width4.wgsl'],
  ['common/productRow.wgsl', 'common/productRow4.wgsl'],
  ['common/outRow.wgsl', 'common/outRow4.wgsl'],
];

/** The lines of a file and of what it includes, each file once. */
export function includedLines(
  files: ShaderFiles,
  path: string,
  replaced: ReadonlyMap<string, string> = new Map(),
): ShaderLine[] {
  const lines: ShaderLine[] = [];
  const included = new Set<string>();
  const expand = (file: string): void => {
    included.add(file);
    files(file)
      .split('\n')
      .forEach((text, index) => {
        const named = INCLUDE.exec(text)?.[1];
        const target = named && (replaced.get(named) ?? named);
        if (target === undefined) lines.push({ text, file, line: index + 1 });
        else if (!included.has(target)) expand(target);
      });
  };
  expand(path);
  return lines;
}

/** The constants that these lines ask for with `// #constant NAME`: what WGSL requires as a `const` (array lengths) and a dispatch decides. */
export function constantsOf(lines: readonly ShaderLine[]): string[] {
  return lines.flatMap(({ text }) => CONSTANT.exec(text)?.[1] ?? []);
}

/**
 * Expands `// #include "common/x.wgsl"` lines (each file once) and defines the constants that `// #constant NAME` lines ask for.
 * Both directives are WGSL comments, so a file without them is valid WGSL as it stands. With an f16 format, common/storageF16.wgsl
 * (resultF16.wgsl) takes the place of common/storage.wgsl (result.wgsl), and `enable f16;` opens the module; with width 4, common/width4.wgsl
 * that of common/width.wgsl, and so on (IN_FOURS); where kernels can ask for the size of their subgroups,
 * common/subgroupSized.wgsl that of common/subgroup.wgsl.
 * Throws where a constant is missing, unknown or not an integer.
 */
export function assembleShader(
  files: ShaderFiles,
  path: string,
  constants: Readonly<Record<string, number>> = {},
  formats: ShaderFormats = {},
): AssembledShader {
  const replaced = new Map<string, string>();
  if (formats.storage === 'f16') replaced.set('common/storage.wgsl', 'common/storageF16.wgsl');
  if (formats.result === 'f16') replaced.set('common/result.wgsl', 'common/resultF16.wgsl');
  const half = replaced.size > 0;
  if (formats.width === 4) for (const [single, four] of IN_FOURS) replaced.set(single, four);
  if (formats.sized) replaced.set(...SUBGROUP);
  const lines = includedLines(files, path, replaced);
  if (lines.some(({ file }) => file === SUBGROUP[1]))
    lines.unshift({ text: 'enable subgroup_size_control;', file: `${path} (subgroups)`, line: 0 });
  if (half) lines.unshift({ text: 'enable f16;', file: `${path} (storage)`, line: 0 });
  const wanted = constantsOf(lines);
  for (const name of Object.keys(constants)) {
    if (!wanted.includes(name)) throw new GmtlError('gpu/shader', `${path}: no constant is named ${name}`);
  }
  // Directives (`enable …`) must stay first, so the constants go to the end: WGSL resolves module scope in any order.
  for (const name of wanted) {
    const value = constants[name];
    if (value === undefined) throw new GmtlError('gpu/shader', `${path}: constant ${name} has no value`);
    if (!Number.isInteger(value))
      throw new GmtlError('gpu/shader', `${path}: constant ${name} = ${value} is not an integer`);
    lines.push({ text: `const ${name} = ${value};`, file: `${path} (constants)`, line: 0 });
  }
  return { code: lines.map(({ text }) => text).join('\n'), lines };
}
