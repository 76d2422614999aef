/** Writes a trained network in another form: the work of `gmtl export`. */
import { existsSync, readdirSync, statSync, type Stats } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { describeWriteError, makeWritableFolder, writeFileAtomic } from '../../engine/node/atomic.ts';
import { requireOwn, writeAnnounced } from '../report/ownFiles.ts';
import type { WeightsKind } from '../run/checkpoints.ts';
import { EXPORT_FORMATS, type ExportFormatName } from './formats.ts';
import { type ExportOptions, openExportSource } from './source.ts';

export interface ExportRunOptions extends ExportOptions {
  /** A run folder, a checkpoint manifest, or a .safetensors file (then with `config`). */
  readonly run: string;
  readonly config?: string | undefined;
  readonly format: ExportFormatName;
  /** The folder to write; made where it is missing. */
  readonly out: string;
  /** Default: the moving average where there is one. */
  readonly weights?: WeightsKind;
  /** Replace files of an earlier export. Default false. */
  readonly overwrite?: boolean;
}

/** One file that was written. */
export interface ExportedFile {
  readonly path: string;
  readonly bytes: number;
}

/** Endings of files, which a folder's name does not have. */
const FILE_ENDINGS: readonly string[] = ['.onnx', '.pt', '.pth', '.safetensors', '.py', '.json', '.zip'];

/** @throws GmtlError `export/folder` where `out` is, or is named like, a file; `export/exists` for a folder that holds something, without `overwrite`; `io/exists` for a file that no export wrote; `io/…` where it cannot be written; as `openExportSource`. */
export async function exportRun({
  run,
  config,
  format,
  out,
  weights,
  overwrite,
  ...options
}: ExportRunOptions): Promise<ExportedFile[]> {
  let found: Stats | undefined;
  try {
    found = statSync(out, { throwIfNoEntry: false });
  } catch (error) {
    throw describeWriteError(error, out);
  }
  if (FILE_ENDINGS.includes(extname(out).toLowerCase()) || found?.isFile()) {
    throw new GmtlError(
      'export/folder',
      `${out} is the name of a file, and an export is a folder of several: name a folder, such as ${join(dirname(out), format)}`,
    );
  }
  if (!overwrite && existsSync(out) && readdirSync(out).length > 0) {
    throw new GmtlError(
      'export/exists',
      `${out} holds something already. Add --overwrite to replace an earlier export, or choose another folder with --out.`,
    );
  }
  const files = await EXPORT_FORMATS[format].files(await openExportSource(run, config, weights), options);
  const paths = [...files].map(([name]) => join(out, name));
  requireOwn(paths, 'export');
  makeWritableFolder(out);
  return writeAnnounced(paths, 'export', async () => {
    const written: ExportedFile[] = [];
    for (const [name, content] of files) {
      const path = join(out, name);
      await writeFileAtomic(path, content);
      written.push({ path, bytes: Buffer.byteLength(content) });
    }
    return written;
  });
}
