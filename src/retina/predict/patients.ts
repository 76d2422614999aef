/** One decision per patient from the table of pictures: that of the worse eye, with the eye that is missing. */
import { createReadStream, existsSync, rmSync } from 'node:fs';
import { describeWriteError } from '../../engine/node/atomic.ts';
import { dirname, join } from 'node:path';
import { parse } from 'csv-parse';
import { stringify } from 'csv-stringify/sync';
import { requireOwn, writeOwn } from '../report/ownFiles.ts';
import type { PredictionRow } from './predictionRow.ts';

/** Name of the table of patients, beside that of pictures. */
const PATIENTS_FILE = 'patients.csv';

const EYES = ['right', 'left'] as const;
type Eye = (typeof EYES)[number];

/** What is said of a patient. `unsure`: of an eye, and no eye is referred. `incomplete`: neither, but an eye was not looked at. */
type PatientDecision = 'refer' | 'unsure' | 'incomplete' | 'none';

/** A row of patients.csv. */
export interface PatientRow {
  readonly patient: string;
  readonly decision: PatientDecision;
  /** The picture that decides: of the gravest decision, the one of the highest score. */
  readonly eye: string;
  readonly file: string;
  /** Of that picture; empty where it was referred unseen. */
  readonly score: string;
  /** Eyes without a decided picture, separated by "; ". */
  readonly missing: string;
  /** Pictures of the patient, decided or not. */
  readonly pictures: number;
}

const WORDS: readonly (readonly [RegExp, readonly Eye[]])[] = [
  [/^(r|right|od)$/i, ['right']],
  [/^(l|left|os)$/i, ['left']],
  [/^(b|both|ou)$/i, ['right', 'left']],
];

/** The eyes that a cell of the table means: right, R, OD; left, L, OS; both, B, OU. None for other words. */
export function eyesOf(cell: string): readonly Eye[] {
  return WORDS.find(([words]) => words.test(cell.trim()))?.[1] ?? [];
}

/** What is kept of a patient while rows pass. */
interface Seen {
  readonly eyes: Set<Eye>;
  pictures: number;
  worst: {
    readonly gravity: number;
    readonly score: number | null;
    readonly eye: string;
    readonly file: string;
  } | null;
}

/** Patients from rows of the table, in the order of their first picture. Rows without a patient are left out; one without a known eye counts, and leaves both eyes missing. */
export class Patients {
  readonly #seen = new Map<string, Seen>();

  add({ patient, eye, file, referral, referral_p: score }: PredictionRow): void {
    if (!patient) return;
    const eyes = eyesOf(String(eye ?? ''));
    const name = String(patient);
    const seen = this.#seen.get(name) ?? { eyes: new Set(), pictures: 0, worst: null };
    this.#seen.set(name, seen);
    seen.pictures++;
    if (!referral) return;
    for (const one of eyes) seen.eyes.add(one);
    const value = score === undefined || score === null || score === '' ? null : Number(score);
    const own = {
      gravity: GRAVITY.indexOf(referral as (typeof GRAVITY)[number]),
      score: value,
      eye: String(eye ?? ''),
      file: String(file),
    };
    if (seen.worst === null || isWorse(own, seen.worst)) seen.worst = own;
  }

  rows(): PatientRow[] {
    return Array.from(this.#seen, ([patient, { eyes, pictures, worst }]): PatientRow => {
      const missing = EYES.filter((eye) => !eyes.has(eye));
      const own = GRAVITY[worst?.gravity ?? 0];
      const decision = own === 'none' && missing.length > 0 ? 'incomplete' : own;
      return {
        ...{ patient, decision, eye: worst?.eye ?? '', file: worst?.file ?? '' },
        score: String(worst?.score ?? ''),
        ...{ missing: missing.join('; '), pictures },
      };
    });
  }
}

/** Decisions on an eye, the gravest last. */
const GRAVITY = ['none', 'unsure', 'refer'] as const satisfies readonly PatientDecision[];

/** One that was referred without a score is as bad as can be. */
const isWorse = (one: NonNullable<Seen['worst']>, other: NonNullable<Seen['worst']>): boolean =>
  one.gravity === other.gravity ? (one.score ?? 1) > (other.score ?? 1) : one.gravity > other.gravity;

/** The table of patients beside a table of pictures. */
const patientsFile = (table: string): string => join(dirname(table), PATIENTS_FILE);

/** @throws GmtlError `io/exists` where the table of patients would replace what inference did not write. */
export function requirePatientsFile(table: string): void {
  requireOwn([patientsFile(table)], 'infer');
}

/**
 * Writes patients.csv beside a table of pictures that was written before, if there is one. Where no picture has a decision, or none a patient and a known eye, there
 * is none, and one of an earlier table is removed.
 *
 * @returns one line on what was found; null where nothing was written.
 * @throws GmtlError as {@link requirePatientsFile}, and as `writeFileAtomic`.
 */
export async function writePatients(table: string): Promise<string | null> {
  if (!existsSync(table)) return null;
  const patients = new Patients();
  let isDecided = false;
  let hasEye = false;
  const lines = createReadStream(table).pipe(parse({ columns: true, bom: true }));
  for await (const row of lines as AsyncIterable<PredictionRow>) {
    patients.add(row);
    isDecided ||= Boolean(row.referral);
    hasEye ||= Boolean(row.patient) && eyesOf(String(row.eye ?? '')).length > 0;
  }
  const rows = patients.rows();
  const file = patientsFile(table);
  if (!isDecided || !hasEye) {
    requireOwn([file], 'infer');
    try {
      rmSync(file, { force: true });
    } catch (error) {
      throw describeWriteError(error, file);
    }
    return null;
  }
  await writeOwn(file, stringify(rows, { header: true }), 'infer');
  const count = (which: PatientDecision): number => rows.filter(({ decision }) => decision === which).length;
  return `${rows.length} by the worse eye: ${count('refer')} referred, ${count('none')} not, ${count('unsure')} not sure, ${count('incomplete')} incomplete (an eye is missing or undecided): ${file}`;
}
