/** What every DICOM document about a photograph has: its patient and study, the reference to the photograph, codes. */
import { randomUUID } from 'node:crypto';
import type { Provenance } from './predictionRow.ts';
import type { Inferred } from './result.ts';

/** A data set by DICOM's keywords; sequences are lists of such. */
export interface DicomDataset {
  [keyword: string]: unknown;
}

/** What a document starts from. */
export interface DocumentSource {
  /** The photograph's own data set. */
  readonly source: DicomDataset;
  readonly frame: number;
  readonly inferred: Inferred;
  readonly provenance: Provenance;
  /** By which operating point referrals are decided, as `ReferralPolicy.note`; absent: not said. */
  readonly referralNote?: string | undefined;
}

/** Said in every document. */
export const DISCLAIMER = 'Research software, not a medical device: no diagnosis.';

/**
 * Codes of DICOM (DCM) and SNOMED CT (SCT) where PS3.16 names them, of LOINC (LN) where it has the very same scale; the rest has a private
 * scheme's (99GMTL): no published list of codes was at hand that tells hard from soft exudates, or has IDRiD's risk of edema.
 */
export const code = (value: string, scheme: string, meaning: string): DicomDataset => ({
  CodeValue: value,
  CodingSchemeDesignator: scheme,
  CodeMeaning: meaning,
});

/** Context group 244 of PS3.16. */
export const LATERALITY = {
  left: code('7771000', 'SCT', 'Left'),
  right: code('24028007', 'SCT', 'Right'),
  both: code('51440002', 'SCT', 'Bilateral'),
} as const;

/** A UID of one's own, from a UUID (PS3.5, annex B.2). */
export const newUid = (): string => `2.25.${BigInt(`0x${randomUUID().replaceAll('-', '')}`)}`;

/** Attributes that a document takes over from its photograph: type 2 ones are there, if empty. */
function takenOver(source: DicomDataset): DicomDataset {
  const kept = [
    ...['PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex'],
    ...['StudyInstanceUID', 'StudyDate', 'StudyTime', 'ReferringPhysicianName', 'StudyID', 'AccessionNumber'],
  ];
  return Object.fromEntries(kept.map((keyword) => [keyword, source[keyword] ?? '']));
}

/** What a document begins with. @param sopClass the UID of its kind. */
export function documentHead(
  { source, provenance }: DocumentSource,
  sopClass: string,
  modality: string,
  now: Date,
): DicomDataset {
  const digits = now.toISOString().replaceAll(/[-:]/g, '');
  return {
    SpecificCharacterSet: 'ISO_IR 192',
    ...takenOver(source),
    SOPClassUID: sopClass,
    SOPInstanceUID: newUid(),
    Modality: modality,
    SeriesInstanceUID: newUid(),
    SeriesNumber: modality === 'SEG' ? 9001 : 9002,
    InstanceNumber: 1,
    ContentDate: digits.slice(0, 8),
    ContentTime: digits.slice(9, 15),
    Manufacturer: 'gmtl',
    ManufacturerModelName: 'gmtl',
    DeviceSerialNumber: provenance.model,
    SoftwareVersions: provenance.gmtl,
  };
}

/** The photograph as a reference. */
export function photographReference({ source, frame }: DocumentSource): DicomDataset {
  return {
    ReferencedSOPClassUID: source.SOPClassUID,
    ReferencedSOPInstanceUID: source.SOPInstanceUID,
    ...(Number(source.NumberOfFrames ?? 1) > 1 && { ReferencedFrameNumber: frame }),
  };
}

/** A reference to the whole file, whichever frame was looked at. */
export function withoutFrame({ ReferencedFrameNumber: _, ...rest }: DicomDataset): DicomDataset {
  return rest;
}
