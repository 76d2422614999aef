/** The record of pictures that are done, by the content of picture and network: what a resumed inference leaves out. */
import { createHash } from 'node:crypto';
import { appendFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredTensors } from '../../engine/io/safetensors.ts';
import { readIfPresent } from '../../engine/node/atomic.ts';
import type { InferInput } from './inputs.ts';
import type { InferResult } from './result.ts';

/** Name of the record in a folder of results. */
export const JOURNAL_FILE = 'done.jsonl';

/** One picture that is done. */
interface JournalEntry {
  /** SHA-256 of the picture's file. */
  readonly sha256: string;
  /** Of the network and the options, see {@link modelHash}. */
  readonly model: string;
  /** Stem of the result files. */
  readonly name: string;
  /** What else was known of the picture: its entry in a list, its frame. */
  readonly input?: Pick<InferInput, 'entry' | 'frame'>;
  readonly result: InferResult;
}

/** A hash of weights and of everything else that decides a result: 16 hexadecimal digits. */
export function modelHash(weights: StoredTensors, settings: object): string {
  const hash = createHash('sha256').update(JSON.stringify(settings));
  for (const [name, { data }] of weights) {
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex').slice(0, 16);
}

const keyOf = ({ sha256, model, name }: Omit<JournalEntry, 'input' | 'result'>): string => `${sha256} ${model} ${name}`;

/** The record of one folder, one JSON line a picture, appended as soon as its files are written. */
export class Journal {
  readonly #path: string;
  readonly #done = new Map<string, JournalEntry>();

  /** Reads what is there; a last line that a kill cut short is removed. */
  constructor(folder: string) {
    this.#path = join(folder, JOURNAL_FILE);
    const text = readIfPresent(this.#path) ?? '';
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) truncateSync(this.#path, Buffer.byteLength(whole));
    for (const line of whole.split('\n')) {
      if (line === '') continue;
      const entry = JSON.parse(line) as JournalEntry;
      this.#done.set(keyOf(entry), entry);
    }
  }

  /** The result of a picture of this content by this network under this name; null where it is not done. */
  find(of: Omit<JournalEntry, 'input' | 'result'>): InferResult | null {
    return this.#done.get(keyOf(of))?.result ?? null;
  }

  /** What was done when the record was opened. */
  entries(): IterableIterator<JournalEntry> {
    return this.#done.values();
  }

  add(entry: JournalEntry): void {
    appendFileSync(this.#path, `${JSON.stringify(entry)}\n`);
  }
}
