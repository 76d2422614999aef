/** What a DICOM photograph says of itself, as results carry it. */

/** What a DICOM file says of its picture besides the pixels. Names of people are never read. */
export interface DicomFacts {
  readonly frames: number;
  /** The frame that was read, from 1. */
  readonly frame: number;
  readonly laterality: 'left' | 'right' | 'both' | null;
  /** Millimeters between rows and between columns; null where the file does not say. */
  readonly pixelSpacing: readonly [number, number] | null;
  /** These identify a person: results hold them, logs and reports do not. */
  readonly patientId: string | null;
  readonly studyUid: string | null;
}
