/** `misroutes.csv`, of a run and of an evaluation alike: the images that the gate sent to the wrong expert. docs/files.md describes it. */
import { appendFileSync } from 'node:fs';
import { CsvError, parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import { GmtlError } from '../../engine/errors.ts';
import { describeWriteError, readIfPresent, writeFileAtomicSync } from '../../engine/node/atomic.ts';
import type { Split } from '../domain.ts';
import type { Misroute } from '../metrics/gate.ts';

/** The columns, in order. */
const MISROUTE_COLUMNS = ['step', 'epoch', 'split', 'id', 'task', 'routed', 'probability'] as const;

/** What was scored; null is an empty cell. */
export interface MisrouteContext {
  /** Optimizer steps that the weights had done. */
  readonly step: number | null;
  readonly epoch: number | null;
  readonly split: Split;
}

/** The table: one row per misrouted image, in the order given. */
export function misroutesCsv(misroutes: readonly Misroute[], context: MisrouteContext): string {
  return stringify([MISROUTE_COLUMNS]) + misrouteLines(misroutes, context);
}

function misrouteLines(misroutes: readonly Misroute[], { step, epoch, split }: MisrouteContext): string {
  return stringify(
    misroutes.map(({ id, truth, routed, probability }) => [
      step,
      epoch,
      split,
      id,
      truth,
      routed,
      probability.toFixed(6),
    ]),
  );
}

/** The table of a run, which grows by the misrouted images of each validation, the most confident mistakes first. */
export class MisrouteLog {
  readonly #path: string;

  /** Rows after `resumeStep` are cut, as in the other logs; without it the file begins anew. */
  constructor(path: string, resumeStep?: number) {
    this.#path = path;
    const rows = resumeStep === undefined ? [] : readRows(path);
    const kept = rows.filter(({ step }) => Number(step) <= (resumeStep ?? 0));
    writeFileAtomicSync(path, stringify(kept, { header: true, columns: [...MISROUTE_COLUMNS] }));
  }

  append(step: number, epoch: number, misroutes: readonly Misroute[]): void {
    if (misroutes.length === 0) return;
    try {
      appendFileSync(this.#path, misrouteLines(misroutes, { step, epoch, split: 'val' }));
    } catch (error) {
      throw describeWriteError(error, this.#path);
    }
  }
}

/** What identifies a table of misrouted images, of any version. */
const OLDEST_COLUMNS = ['step', 'epoch', 'id', 'task', 'routed'] as const;

/**
 * The whole rows of a run's table by column; none where there is no file. Version 0.1 named no split, and wrote `confidence`.
 * @throws GmtlError `run/misroutes` for a file that is not such a table.
 */
function readRows(path: string): Record<string, string>[] {
  const foreign = (what: string): GmtlError =>
    new GmtlError(
      'run/misroutes',
      `${path}: ${what}, so it is not the run's table of misrouted images. Restore it, or move it away.`,
    );
  const text = readIfPresent(path) ?? '';
  // A row that was cut short as it was written has no end.
  const finished = text.slice(0, text.lastIndexOf('\n') + 1);
  let lines: string[][];
  try {
    lines = parse(finished, { relax_column_count: true, bom: true });
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw foreign(`no valid CSV (${cause.message})`);
  }
  return wholeRows(lines, foreign);
}

function wholeRows([header, ...lines]: string[][], foreign: (what: string) => GmtlError): Record<string, string>[] {
  if (header === undefined) return [];
  const absent = OLDEST_COLUMNS.filter((column) => !header.includes(column));
  if (absent.length > 0) throw foreign(`the columns ${absent.join(', ')} are missing`);
  const whole = lines.filter((line) => line.length === header.length);
  return whole.map((line) => {
    const { confidence, ...row } = Object.fromEntries(header.map((column, index) => [column, line[index]]));
    return { split: 'val', ...(confidence !== undefined && { probability: confidence }), ...row };
  });
}
