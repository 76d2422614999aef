/** The packages that only Node needs, loaded when they are used: `npm install --omit=optional` leaves them out, for those who bundle for browsers. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { Sharp, SharpInput, SharpOptions } from 'sharp';
import { GmtlError } from '../errors.ts';
import { ownPackage } from './version.ts';

/** What each of package.json's `optionalDependencies` is for: ends the sentence "gmtl needs it …". */
const PURPOSES = {
  webgpu: 'to reach a GPU outside a browser',
  '@sparticuz/chromium': 'for the embedded software adapter',
  'tar-stream': 'to unpack that adapter',
  bullmq: 'to take pictures from a queue (`gmtl worker`)',
  ioredis: 'for bullmq to reach Redis',
  koffi: 'to call MPI, for training on several ranks',
  sharp: 'to read and write pictures',
  dcmjs: 'to write DICOM files',
  'dicom-parser': 'to read DICOM files',
  'jpeg-lossless-decoder-js': 'to read DICOM files with lossless JPEG',
  '@techstark/opencv-js': 'for CLAHE (`data.clahe`)',
  echarts: 'to draw charts',
  '@resvg/resvg-js': 'to draw charts and labels as PNG',
  'dejavu-fonts-ttf': 'to write in pictures',
} as const;

export type OptionalPackage = keyof typeof PURPOSES;

/** How to get what is missing. */
const HOW = '`npm install --include=optional` installs all that the commands need';

const require = createRequire(import.meta.url);

/**
 * Where an optional package's file lies: its entry point, or `path` within it.
 * @throws GmtlError `install/missing` naming the package, what it is for and how to get it.
 */
export function resolveOptional(name: OptionalPackage, path = ''): string {
  try {
    return require.resolve(name + path);
  } catch (cause) {
    const range = ownPackage().optionalDependencies[name];
    throw new GmtlError(
      'install/missing',
      `The package ${name} is not installed; gmtl needs it ${PURPOSES[name]}. ${HOW}, \`npm install ${name}@${range}\` this one alone.`,
      { cause },
    );
  }
}

/**
 * Loads an optional package's module; `Module` is its type.
 * @throws GmtlError as {@link resolveOptional}, and `install/broken` where it is there but does not load: built for another system, for example.
 */
export function requireOptional<Module>(name: OptionalPackage): Module {
  const file = resolveOptional(name);
  try {
    return require(file) as Module;
  } catch (cause) {
    throw broken(name, cause);
  }
}

/** {@link requireOptional} for packages that are ES modules. @throws GmtlError as that. */
export async function importOptional<Module>(name: OptionalPackage): Promise<Module> {
  const file = resolveOptional(name);
  try {
    return (await import(pathToFileURL(file).href)) as Module;
  } catch (cause) {
    throw broken(name, cause);
  }
}

/** sharp, loaded at its first call. @throws GmtlError as {@link requireOptional}, and what sharp throws. */
export function sharp(options: SharpOptions): Sharp;
export function sharp(input: SharpInput | SharpInput[], options?: SharpOptions): Sharp;
export function sharp(...given: readonly unknown[]): Sharp {
  return requireOptional<(...given: readonly unknown[]) => Sharp>('sharp')(...given);
}

/** Version of the package `webgpu`, which is Dawn. @throws GmtlError as {@link resolveOptional}. */
export function dawnVersion(): string {
  const { version } = JSON.parse(readFileSync(resolveOptional('webgpu', '/package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}

/** The optional packages that are not installed, each with what it is for, and how to get them; null where none is missing. */
export function missingText(): string | null {
  const missing = Object.entries(PURPOSES).filter(([name]) => {
    try {
      require.resolve(`${name}/package.json`);
      return false;
    } catch (error) {
      // Some packages export their entry point alone.
      return !(error instanceof Error && 'code' in error && error.code === 'ERR_PACKAGE_PATH_NOT_EXPORTED');
    }
  });
  if (missing.length === 0) return null;
  return `${missing.map(([name, purpose]) => `${name}, ${purpose}`).join('\n')}\n${HOW}`;
}

function broken(name: OptionalPackage, cause: unknown): GmtlError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new GmtlError(
    'install/broken',
    `The package ${name} is installed but does not load: ${why}\nInstall again on this machine: \`npm install --include=optional\`.`,
    { cause },
  );
}
