import { GmtlError } from '../errors.ts';
import type { StorageFormat } from './kernel.ts';

/** Gives the text of a file under shaders/. The Node adapter reads the disk; a browser hands over a bundle. */
export type ShaderFiles = (path: string) => string;

/** WGSL ready to compile, with the file and line each of its lines came from. */
export interface AssembledShader {
  readonly code: string;
  readonly lines: readonly { readonly file: string; readonly line: number }[];
}

/** The element formats of a kernel: which of two files stands for an include of common/storage.wgsl and common/result.wgsl. */
export interface ShaderFormats {
  readonly storage?: StorageFormat;
  readonly result?: StorageFormat;
}

const INCLUDE = /^\/\/ #include "([^"]+)"\s*$/;

/**
 * Expands `// #include "common/x.wgsl"` lines (each file once) and puts the generated `const` lines in front.
 * The directive is a WGSL comment, so a file without includes is valid WGSL as it stands. With an f16 format, common/storageF16.wgsl
 * (resultF16.wgsl) takes the place of common/storage.wgsl (result.wgsl), and `enable f16;` opens the module.
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
  const output: string[] = [];
  const lines: { file: string; line: number }[] = [];
  const included = new Set<string>();
  const expand = (file: string): void => {
    included.add(file);
    files(file)
      .split('\n')
      .forEach((text, index) => {
        const named = INCLUDE.exec(text)?.[1];
        const target = named && (replaced.get(named) ?? named);
        if (target === undefined) {
          output.push(text);
          lines.push({ file, line: index + 1 });
        } else if (!included.has(target)) {
          expand(target);
        }
      });
  };
  if (replaced.size > 0) {
    output.push('enable f16;');
    lines.push({ file: `${path} (storage)`, line: 0 });
  }
  expand(path);
  // Directives (`enable …`) must stay first, so the constants go to the end: WGSL resolves module scope in any order.
  for (const [name, value] of Object.entries(constants)) {
    if (!Number.isInteger(value))
      throw new GmtlError('gpu/shader', `${path}: constant ${name} = ${value} is no integer`);
    output.push(`const ${name} = ${value};`);
    lines.push({ file: `${path} (constants)`, line: 0 });
  }
  return { code: output.join('\n'), lines };
}
