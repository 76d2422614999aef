/** Grades as a DICOM structured report. */
import { GRADINGS } from '../domain.ts';
import {
  code,
  type DicomDataset,
  DISCLAIMER,
  documentHead,
  type DocumentSource,
  LATERALITY,
  newUid,
  photographReference,
  withoutFrame,
} from './dicomDocument.ts';
import { type Referral, referralText } from './referral.ts';
import type { Grade } from './result.ts';

const REPORT_CLASS = '1.2.840.10008.5.1.4.1.1.88.22';

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
  const image = photographReference(from);
  const laterality = inferred.result.dicom?.laterality ?? null;
  return {
    ...documentHead(from, REPORT_CLASS, 'SR', now),
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
