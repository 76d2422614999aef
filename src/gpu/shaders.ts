import { GmtlError } from '../errors.ts';

/** Gives the text of a file under shaders/. The Node adapter reads the disk; a browser hands over a bundle. */
export type ShaderFiles = (path: string) => string;

/** WGSL ready to compile, with the file and line each of its lines came from. */
export interface AssembledShader {
  readonly code: string;
  readonly lines: readonly { readonly file: string; readonly line: number }[];
}

const INCLUDE = /^\/\/ #include "([^"]+)"\s*$/;

/**
 * Expands `// #include "common/x.wgsl"` lines (each file once) and puts the generated `const` lines in front.
 * The directive is a WGSL comment, so a file without includes is valid WGSL as it stands.
 */
export function assembleShader(
  files: ShaderFiles,
  path: string,
  constants: Readonly<Record<string, number>> = {},
): AssembledShader {
  const output: string[] = [];
  const lines: { file: string; line: number }[] = [];
  const included = new Set<string>();
  const expand = (file: string): void => {
    included.add(file);
    files(file)
      .split('\n')
      .forEach((text, index) => {
        const target = INCLUDE.exec(text)?.[1];
        if (target === undefined) {
          output.push(text);
          lines.push({ file, line: index + 1 });
        } else if (!included.has(target)) {
          expand(target);
        }
      });
  };
  expand(path);
  // Directives (`enable …`) must stay first, so the constants go to the end: WGSL resolves module scope in any order.
  for (const [name, value] of Object.entries(constants)) {
    if (!Number.isInteger(value)) throw new GmtlError('shader', `${path}: constant ${name} = ${value} is no integer`);
    output.push(`const ${name} = ${value};`);
    lines.push({ file: `${path} (constants)`, line: 0 });
  }
  return { code: output.join('\n'), lines };
}
