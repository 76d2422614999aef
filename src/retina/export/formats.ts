/** The formats of `gmtl export`. A new one is a file beside this one and a line in the table. */
import { onnxFormat } from './onnxFormat.ts';
import type { ExportFormat } from './source.ts';
import { torchFormat } from './torchFormat.ts';
import { webFormat } from './webFormat.ts';

export const EXPORT_FORMATS = {
  web: webFormat,
  onnx: onnxFormat,
  torch: torchFormat,
} as const satisfies Readonly<Record<string, ExportFormat>>;

export type ExportFormatName = keyof typeof EXPORT_FORMATS;
