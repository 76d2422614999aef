/** The formats of `gmtl export`. A new one is a file beside this one and a line in the table. */
import { onnxFormat } from './onnxFormat.ts';
import type { ExportFormat } from './source.ts';
import { webFormat } from './webFormat.ts';

export const EXPORT_FORMATS = {
  web: webFormat,
  onnx: onnxFormat,
} as const satisfies Readonly<Record<string, ExportFormat>>;

export type ExportFormatName = keyof typeof EXPORT_FORMATS;
