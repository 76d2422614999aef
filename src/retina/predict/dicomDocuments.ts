/** A result as DICOM: masks as a binary Segmentation, grades as an Enhanced SR, both of the patient and study of the photograph. */
import { randomUUID } from 'node:crypto';
import { GRADINGS, STRUCTURE_NAMES, STRUCTURES, type Structure } from '../domain.ts';
import type { Provenance } from './predictionRow.ts';
import { type Referral, referralText } from './referral.ts';
import type { Grade, Inferred, StructureRecord } from './result.ts';

/** A data set by DICOM's keywords; sequences are lists of such. */
export interface DicomDataset {
  [keyword: string]: unknown;
}

/** What both documents start from. */
export interface DocumentSource {
  /** The photograph's own data set. */
  readonly source: DicomDataset;
  readonly frame: number;
  readonly inferred: Inferred;
  readonly provenance: Provenance;
  /** By which operating point referrals are decided, as `ReferralPolicy.note`; absent: not said. */
  readonly referralNote?: string | undefined;
}

const SEGMENTATION_CLASS = '1.2.840.10008.5.1.4.1.1.66.4';
const REPORT_CLASS = '1.2.840.10008.5.1.4.1.1.88.22';

const DISCLAIMER = 'Research software, not a medical device: no diagnosis.';

/**
 * Codes of DICOM (DCM) and SNOMED CT (SCT) where PS3.16 names them, of LOINC (LN) where it has the very same scale; the rest has a private
 * scheme's (99GMTL): no published list of codes was at hand that tells hard from soft exudates, or has IDRiD's risk of edema.
 */
const code = (value: string, scheme: string, meaning: string): DicomDataset => ({
  CodeValue: value,
  CodingSchemeDesignator: scheme,
  CodeMeaning: meaning,
});

const ALTERED = code('49755003', 'SCT', 'Morphologically Altered Structure');
const ANATOMY = code('123037004', 'SCT', 'Anatomical Structure');
const EYE = code('81745001', 'SCT', 'Eye');

/**
 * LOINC's answers of LL2117-1, "diabetic retinopathy severity", whose five are IDRiD's five.
 *
 * This material contains content from LOINC (http://loinc.org). LOINC is copyright © Regenstrief Institute, Inc. and the Logical Observation
 * Identifiers Names and Codes (LOINC) Committee and is available at no cost under the license at http://loinc.org/license. LOINC® is a registered
 * United States trademark of Regenstrief Institute, Inc.
 */
const RETINOPATHY = [
  code('LA18643-9', 'LN', 'No apparent retinopathy'),
  code('LA18644-7', 'LN', 'Mild non-proliferative retinopathy'),
  code('LA18645-4', 'LN', 'Moderate non-proliferative retinopathy'),
  code('LA18646-2', 'LN', 'Severe non-proliferative retinopathy'),
  code('LA18648-8', 'LN', 'Proliferative retinopathy'),
];

/** Context group 244 of PS3.16. */
const LATERALITY = {
  left: code('7771000', 'SCT', 'Left'),
  right: code('24028007', 'SCT', 'Right'),
  both: code('51440002', 'SCT', 'Bilateral'),
} as const;

/** A UID of one's own, from a UUID (PS3.5, annex B.2). */
const newUid = (): string => `2.25.${BigInt(`0x${randomUUID().replaceAll('-', '')}`)}`;

/** Attributes that a document takes over from its photograph: type 2 ones are there, if empty. */
function takenOver(source: DicomDataset): DicomDataset {
  const kept = [
    ...['PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex'],
    ...['StudyInstanceUID', 'StudyDate', 'StudyTime', 'ReferringPhysicianName', 'StudyID', 'AccessionNumber'],
  ];
  return Object.fromEntries(kept.map((keyword) => [keyword, source[keyword] ?? '']));
}

function common({ source, provenance }: DocumentSource, sopClass: string, modality: string, now: Date): DicomDataset {
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
function reference({ source, frame }: DocumentSource): DicomDataset {
  return {
    ReferencedSOPClassUID: source.SOPClassUID,
    ReferencedSOPInstanceUID: source.SOPInstanceUID,
    ...(Number(source.NumberOfFrames ?? 1) > 1 && { ReferencedFrameNumber: frame }),
  };
}

function segment(
  structure: Structure,
  number: number,
  { provenance: { model }, inferred }: DocumentSource,
): DicomDataset {
  const laterality = inferred.result.dicom?.laterality;
  return {
    SegmentNumber: number,
    SegmentLabel: STRUCTURE_NAMES[structure],
    SegmentDescription: DISCLAIMER,
    SegmentAlgorithmType: 'AUTOMATIC',
    SegmentAlgorithmName: `gmtl ${model}`,
    SegmentedPropertyCategoryCodeSequence: [structure === 'OD' ? ANATOMY : ALTERED],
    SegmentedPropertyTypeCodeSequence: [code(structure, '99GMTL', STRUCTURE_NAMES[structure])],
    AnatomicRegionSequence: [
      { ...EYE, ...(laterality && { AnatomicRegionModifierSequence: [LATERALITY[laterality]] }) },
    ],
  };
}

/**
 * Masks as a Segmentation (PS3.3 A.51): one segment and one frame for each structure, in the order of {@link STRUCTURES}, a bit per pixel.
 *
 * @param pack packs pixels of 0 and 1 into bits, first pixel lowest.
 */
export function segmentationDataset(
  from: DocumentSource,
  masks: StructureRecord<Uint8Array>,
  pack: (pixels: Uint8Array) => Uint8Array,
  now = new Date(),
): DicomDataset {
  const { source, inferred } = from;
  const { width, height } = inferred.image;
  const present = STRUCTURES.filter((structure) => masks[structure] !== undefined);
  const pixels = new Uint8Array(present.length * width * height);
  for (const [index, structure] of present.entries()) pixels.set(masks[structure]!, index * width * height);
  const packed = pack(pixels);
  const even = new Uint8Array(packed.length + (packed.length % 2));
  even.set(packed);
  const lossy = source.LossyImageCompression === '01';
  const spacing = inferred.result.dicom?.pixelSpacing;
  const organization = newUid();
  return {
    ...common(from, SEGMENTATION_CLASS, 'SEG', now),
    ImageType: ['DERIVED', 'PRIMARY'],
    PatientOrientation: '',
    ContentLabel: 'RETINA',
    ContentDescription: 'Lesions and optic disc of the retina',
    ContentCreatorName: 'gmtl',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    NumberOfFrames: present.length,
    Rows: height,
    Columns: width,
    BitsAllocated: 1,
    BitsStored: 1,
    HighBit: 0,
    PixelRepresentation: 0,
    LossyImageCompression: lossy ? '01' : '00',
    ...(lossy && {
      LossyImageCompressionRatio: source.LossyImageCompressionRatio ?? 1,
      LossyImageCompressionMethod: source.LossyImageCompressionMethod ?? 'ISO_10918_1',
    }),
    SegmentationType: 'BINARY',
    SegmentSequence: present.map((structure, index) => segment(structure, index + 1, from)),
    ReferencedSeriesSequence: [
      {
        SeriesInstanceUID: source.SeriesInstanceUID,
        ReferencedInstanceSequence: [reference({ ...from, frame: 1 })].map(withoutFrame),
      },
    ],
    DimensionOrganizationSequence: [{ DimensionOrganizationUID: organization }],
    DimensionIndexSequence: [
      {
        DimensionOrganizationUID: organization,
        DimensionIndexPointer: '0062000B',
        FunctionalGroupPointer: '0062000A',
        DimensionDescriptionLabel: 'Segment',
      },
    ],
    SharedFunctionalGroupsSequence: [
      {
        ...(spacing && { PixelMeasuresSequence: [{ PixelSpacing: [...spacing], SliceThickness: 1 }] }),
        DerivationImageSequence: [
          {
            DerivationCodeSequence: [code('113076', 'DCM', 'Segmentation')],
            SourceImageSequence: [
              {
                ...reference(from),
                SpatialLocationsPreserved: 'YES',
                PurposeOfReferenceCodeSequence: [code('121322', 'DCM', 'Source image for image processing operation')],
              },
            ],
          },
        ],
      },
    ],
    PerFrameFunctionalGroupsSequence: present.map((_, index) => ({
      FrameContentSequence: [{ DimensionIndexValues: [index + 1] }],
      SegmentIdentificationSequence: [{ ReferencedSegmentNumber: index + 1 }],
    })),
    PixelData: [even.buffer],
    _vrMap: { PixelData: 'OB' },
  };
}

function withoutFrame({ ReferencedFrameNumber: _, ...rest }: DicomDataset): DicomDataset {
  return rest;
}

const content = (relationship: string, type: string, concept: DicomDataset, value: DicomDataset): DicomDataset => ({
  RelationshipType: relationship,
  ValueType: type,
  ConceptNameCodeSequence: [concept],
  ...value,
});

const text = (concept: DicomDataset, value: string): DicomDataset =>
  content('CONTAINS', 'TEXT', concept, { TextValue: value });

/** A number without a unit, below what it belongs to. Decimal strings have at most 16 characters. */
const number = (concept: DicomDataset, value: number): DicomDataset =>
  content('HAS PROPERTIES', 'NUM', concept, {
    MeasuredValueSequence: [
      {
        MeasurementUnitsCodeSequence: [code('1', 'UCUM', 'no units')],
        NumericValue: String(Number(value.toFixed(6))),
      },
    ],
  });

const UNCERTAINTIES = {
  entropy: 'Entropy of the probabilities, 0 to 1',
  flips: 'Disagreement of mirror images, 0 to 1',
  networks: 'Disagreement of networks, 0 to 1',
} as const satisfies Record<keyof Grade['uncertainty'], string>;

const DECISIONS = {
  refer: 'To be referred',
  none: 'Not to be referred',
  unsure: 'Not sure: a person has to look',
} as const satisfies Record<Referral['decision'], string>;

/** The decision: a code, and below it the score, the operating point with its band of "not sure", and both in words. */
function referralContent(referral: Referral, note: string | undefined): DicomDataset {
  const { decision, score, threshold, unsure } = referral;
  const said = (value: string, meaning: string, words: string): DicomDataset =>
    content('HAS PROPERTIES', 'TEXT', code(value, '99GMTL', meaning), { TextValue: words });
  return content('CONTAINS', 'CODE', code('referral', '99GMTL', 'Referral to an ophthalmologist'), {
    ConceptCodeSequence: [code(`referral-${decision}`, '99GMTL', DECISIONS[decision])],
    ContentSequence: [
      said('ref-text', 'Decision and reason', referralText(referral)),
      ...(score === null ? [] : [number(code('ref-score', '99GMTL', 'Score'), score)]),
      ...(threshold === null ? [] : [number(code('ref-point', '99GMTL', 'Operating point'), threshold)]),
      ...(unsure ?? []).map((end, index) =>
        number(code(`ref-band-${index}`, '99GMTL', `Not sure ${index === 0 ? 'above' : 'below'} a score of`), end),
      ),
      ...(note === undefined ? [] : [said('ref-note', 'Rule and operating point', note)]),
    ],
  });
}

/** One grade: a code, and below it which eye it is of, the probability of every grade and how unsure it is. */
function gradeContent(
  task: 'retinopathy' | 'edema',
  { grade, probabilities, uncertainty }: Grade,
  laterality: keyof typeof LATERALITY | null,
): DicomDataset {
  const { label, grades } = {
    label: task === 'retinopathy' ? 'Diabetic retinopathy grade' : 'Diabetic macular edema risk',
    grades: GRADINGS[task].grades,
  };
  return content('CONTAINS', 'CODE', code(task, '99GMTL', label), {
    ConceptCodeSequence: [
      task === 'retinopathy' ? RETINOPATHY[grade] : code(`edema-${grade}`, '99GMTL', grades[grade].slice(0, 64)),
    ],
    ContentSequence: [
      ...(laterality === null
        ? []
        : [
            content('HAS CONCEPT MOD', 'CODE', code('272741003', 'SCT', 'Laterality'), {
              ConceptCodeSequence: [LATERALITY[laterality]],
            }),
          ]),
      ...probabilities.map((probability, index) =>
        number(code(`${task}-${index}-p`, '99GMTL', `Probability: ${grades[index]}`.slice(0, 64)), probability),
      ),
      ...(['entropy', 'flips', 'networks'] as const).flatMap((kind) => {
        const value = uncertainty[kind];
        return value === undefined ? [] : [number(code(kind, '99GMTL', UNCERTAINTIES[kind]), value)];
      }),
    ],
  });
}

/** Grades as an Enhanced SR (PS3.3 A.35.2): who observed, the photograph, each grade with its probabilities and uncertainty, the referral, the warnings. */
export function reportDataset(from: DocumentSource, now = new Date()): DicomDataset {
  const { source, inferred, provenance } = from;
  const { retinopathy, edema, referral, warnings } = inferred.result;
  const image = reference(from);
  const laterality = inferred.result.dicom?.laterality ?? null;
  return {
    ...common(from, REPORT_CLASS, 'SR', now),
    ReferencedPerformedProcedureStepSequence: [],
    PerformedProcedureCodeSequence: [],
    CompletionFlag: 'COMPLETE',
    VerificationFlag: 'UNVERIFIED',
    CurrentRequestedProcedureEvidenceSequence: [
      {
        StudyInstanceUID: source.StudyInstanceUID,
        ReferencedSeriesSequence: [
          { SeriesInstanceUID: source.SeriesInstanceUID, ReferencedSOPSequence: [withoutFrame(image)] },
        ],
      },
    ],
    ValueType: 'CONTAINER',
    ConceptNameCodeSequence: [code('18748-4', 'LN', 'Diagnostic Imaging Report')],
    ContinuityOfContent: 'SEPARATE',
    ContentSequence: [
      content('HAS CONCEPT MOD', 'CODE', code('121049', 'DCM', 'Language of Content Item and Descendants'), {
        ConceptCodeSequence: [code('eng', 'RFC5646', 'English')],
      }),
      content('HAS OBS CONTEXT', 'CODE', code('121005', 'DCM', 'Observer Type'), {
        ConceptCodeSequence: [code('121007', 'DCM', 'Device')],
      }),
      content('HAS OBS CONTEXT', 'UIDREF', code('121012', 'DCM', 'Device Observer UID'), { UID: newUid() }),
      content('HAS OBS CONTEXT', 'TEXT', code('121013', 'DCM', 'Device Observer Name'), {
        TextValue: `gmtl ${provenance.gmtl}, network ${provenance.model}, ${provenance.adapter}, preparation ${provenance.preprocessing}`,
      }),
      text(code('121106', 'DCM', 'Comment'), DISCLAIMER),
      content('CONTAINS', 'IMAGE', code('121080', 'DCM', 'Best illustration of finding'), {
        ReferencedSOPSequence: [image],
      }),
      ...(retinopathy ? [gradeContent('retinopathy', retinopathy, laterality)] : []),
      ...(edema ? [gradeContent('edema', edema, laterality)] : []),
      ...(referral ? [referralContent(referral, from.referralNote)] : []),
      ...warnings.map((warning) => text(code('warning', '99GMTL', 'Reason to doubt the picture'), warning)),
    ],
  };
}
