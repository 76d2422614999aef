import { join } from 'node:path';

/** The files of a sample. */
export function sampleFiles(folder: string): { readonly grid: string; readonly page: string; readonly table: string } {
  return { grid: join(folder, 'sample.png'), page: join(folder, 'sample.html'), table: join(folder, 'sample.csv') };
}
