/** The validation images that the gate sent to the wrong expert, epoch by epoch. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import { describeWriteError, writeFileAtomicSync } from '../../engine/node/atomic.ts';
import type { Misroute } from '../metrics/gate.ts';

const HEADER = ['step', 'epoch', 'id', 'task', 'routed', 'confidence'];

/** `misroutes.csv` of a run: one row a misrouted validation image and validation, the most confident mistakes first. */
export class MisrouteLog {
  readonly #path: string;

  /** Rows after `resumeStep` are cut, as in the other logs; without it the file begins anew. */
  constructor(path: string, resumeStep?: number) {
    this.#path = path;
    const old: string[][] =
      resumeStep !== undefined && existsSync(path)
        ? parse(readFileSync(path, 'utf8'), { relax_column_count: true })
        : [];
    const kept = old.slice(1).filter((row) => row.length === HEADER.length && Number(row[0]) <= (resumeStep ?? 0));
    writeFileAtomicSync(path, stringify([HEADER, ...kept]));
  }

  append(step: number, epoch: number, misroutes: readonly Misroute[]): void {
    if (misroutes.length === 0) return;
    const rows = misroutes.map(({ id, truth, routed, probability }) => [
      step,
      epoch,
      id,
      truth,
      routed,
      probability.toFixed(6),
    ]);
    try {
      appendFileSync(this.#path, stringify(rows));
    } catch (error) {
      throw describeWriteError(error, this.#path);
    }
  }
}
