/** Prepares a data set: reads it, fixes its splits and writes them down as a list. */
import type { Dataset, Split, Task } from '../../domain.ts';
import { requireOwn, writeAnnounced } from '../../report/ownFiles.ts';
import { type OpenOptions, openDataset } from './dataset.ts';
import { writeMetadata } from './metadata.ts';
import { type SystemBListOptions, writeSystemB } from './systemB.ts';

export interface PrepareOptions extends OpenOptions {
  /** `gmtl`: a metadata JSON of every split; `system-b`: the training split as System B's balanced list. */
  readonly format: 'gmtl' | 'system-b';
  /** How often each segmentation entry stands in System B's list; only there. */
  readonly oversample?: SystemBListOptions['oversample'];
  /** Receives what the user should know about the data and the list, before and after it is written. */
  readonly onNote?: (note: string) => void;
}

/**
 * Opens the data set at `source` and writes its list to `output`, atomically.
 *
 * @returns what the list holds, in words.
 * @throws GmtlError `io/exists` where `output` is a file that preparing did not write, and whatever `openDataset`, `writeMetadata` and `writeSystemB` throw.
 */
export async function prepareDataset(source: string, output: string, options: PrepareOptions): Promise<string> {
  const { format, oversample, onNote, ...opening } = options;
  requireOwn([output], 'data prepare');
  const dataset = await openDataset(source, opening);
  for (const note of dataset.notes) onNote?.(note);
  if (format === 'gmtl') {
    await writeAnnounced([output], 'data prepare', () => writeMetadata(output, dataset.items));
    return summary(dataset);
  }
  const { seed } = opening;
  const counts = await writeAnnounced([output], 'data prepare', () =>
    writeSystemB(output, dataset.items, {
      ...(seed === undefined ? {} : { seed }),
      ...(oversample === undefined ? {} : { oversample }),
    }),
  );
  onNote?.(
    'the list holds the training split only. Do not draw a test part from it: copies of an image would stand on both sides.',
  );
  return `${counts.segmentation} segmentation + ${counts.classification} classification entries`;
}

function summary(dataset: Dataset): string {
  const count = (split: Split, task: Task) =>
    dataset.items.filter((item) => item.split === split && item.task === task).length;
  return (['train', 'val', 'test'] as const)
    .map(
      (split) =>
        `${split} ${count(split, 'segmentation')} segmentation + ${count(split, 'classification')} classification`,
    )
    .join(', ');
}
