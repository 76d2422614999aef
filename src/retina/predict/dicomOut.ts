/** Writes results of DICOM photographs as DICOM files: the work of `gmtl infer --dicom-out`. */
import { join } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { makeWritableFolder, writeFileAtomic } from '../../engine/node/atomic.ts';
import { requireOptional } from '../../engine/node/optional.ts';
import { readPicture } from '../data/pictures/openPicture.ts';
import { requireOwn, writeAnnounced } from '../report/ownFiles.ts';
import type { DicomDataset, DocumentSource } from './dicomDocument.ts';
import { reportDataset } from './dicomReport.ts';
import { segmentationDataset } from './dicomSegmentation.ts';
import type { InferInput } from './inputs.ts';
import type { Provenance } from './predictionRow.ts';
import type { Inferred, InferResult } from './result.ts';

/** As much of dcmjs as is used; it has no types of its own. */
interface Dcmjs {
  readonly log: { setLevel(level: string): void; getLogger(name: string): { setLevel(level: string): void } };
  readonly data: {
    readonly BitArray: { pack(pixels: Uint8Array): Uint8Array };
    readonly DicomMessage: { readFile(bytes: ArrayBuffer): { readonly dict: object } };
    readonly DicomMetaDictionary: { naturalizeDataset(dict: object): DicomDataset };
    datasetToBuffer(dataset: DicomDataset): Uint8Array;
  };
}

const filesOf = (folder: string, name: string) => ({
  segmentation: join(folder, `${name}_seg.dcm`),
  report: join(folder, `${name}_sr.dcm`),
});

/** The files that {@link writeDicomOut} writes for a result: a Segmentation where it has masks, a report where it has grades or a decision. */
export function dicomFilesOf(folder: string, name: string, result: InferResult): string[] {
  const files = filesOf(folder, name);
  return [
    ...(result.lesions ? [files.segmentation] : []),
    ...(result.retinopathy || result.edema || result.referral ? [files.report] : []),
  ];
}

/**
 * Makes the folder and refuses, before anything is computed, what could not be written.
 *
 * @throws GmtlError `io/exists` for files that inference did not write; `install/missing` without dcmjs; `io/…`.
 */
export function openDicomOut(folder: string, inputs: readonly InferInput[]): void {
  requireOptional<Dcmjs>('dcmjs');
  makeWritableFolder(folder);
  requireOwn(
    inputs.flatMap(({ name }) => Object.values(filesOf(folder, name))),
    'infer',
  );
}

/**
 * The data set of a photograph, to which what is written refers: to be read before anything is computed.
 *
 * @throws GmtlError `infer/dicom-out` where it cannot be read, or lacks what others refer to it by.
 */
export async function readDicomSource(path: string): Promise<DicomDataset> {
  const { data, log } = requireOptional<Dcmjs>('dcmjs');
  // It would warn on standard output of values that the photograph has, not of ours.
  log.setLevel('silent');
  log.getLogger('validation.dcmjs').setLevel('silent');
  const bytes = new Uint8Array(await readPicture(path));
  let source: DicomDataset;
  try {
    source = data.DicomMetaDictionary.naturalizeDataset(data.DicomMessage.readFile(bytes.buffer).dict);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GmtlError(
      'infer/dicom-out',
      `${path}: its data set cannot be taken over (${why}). Leave --dicom-out out for it.`,
      { cause },
    );
  }
  const lacking = ['StudyInstanceUID', 'SeriesInstanceUID', 'SOPClassUID', 'SOPInstanceUID'].filter(
    (one) => !source[one],
  );
  if (lacking.length > 0) {
    throw new GmtlError(
      'infer/dicom-out',
      `${path} lacks ${lacking.join(', ')}, without which nothing can refer to it. Leave --dicom-out out for it.`,
    );
  }
  return source;
}

/**
 * Writes the masks of a DICOM photograph as a Segmentation and its grades and referral as a structured report, where there are such.
 *
 * @param source of {@link readDicomSource}. @param referralNote by which operating point referrals are decided, for the report.
 * @returns the files written. @throws GmtlError `io/…`.
 */
export async function writeDicomOut(
  folder: string,
  { name, frame = 1 }: Pick<InferInput, 'name' | 'frame'>,
  source: DicomDataset,
  inferred: Inferred,
  provenance: Provenance,
  referralNote?: string,
): Promise<string[]> {
  const { data } = requireOptional<Dcmjs>('dcmjs');
  const from: DocumentSource = { source, frame, inferred, provenance, referralNote };
  const files = filesOf(folder, name);
  const written = dicomFilesOf(folder, name, inferred.result);
  await writeAnnounced(written, 'infer', async () => {
    for (const file of written) {
      const dataset =
        file === files.segmentation
          ? segmentationDataset(from, inferred.masks ?? {}, (pixels) => data.BitArray.pack(pixels))
          : reportDataset(from);
      await writeFileAtomic(file, new Uint8Array(data.datasetToBuffer({ ...dataset, _meta: {} })));
    }
  });
  return written;
}
