/** The record of pictures that are done, by the content of picture and network: what a resumed inference leaves out. */
import { createHash } from 'node:crypto';
import { appendFileSync, closeSync, existsSync, openSync, readSync, statSync, truncateSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describeWriteError } from '../../engine/node/atomic.ts';
import type { StoredTensors } from '../../engine/io/safetensors.ts';
import type { InferInput } from './inputs.ts';
import type { Provenance } from './predictionRow.ts';
import type { InferResult } from './result.ts';

/** Name of the record in a folder of results. */
export const JOURNAL_FILE = 'done.jsonl';

/** What a picture is known by. */
interface PictureKey {
  /** SHA-256 of the picture's file. */
  readonly sha256: string;
  /** Of the network and the options, see {@link modelHash}. */
  readonly model: string;
  /** Stem of the result files. */
  readonly name: string;
}

/** One picture that is done. */
export interface JournalEntry extends PictureKey {
  /** What else was known of the picture: its entry in a list, its frame. */
  readonly input?: Pick<InferInput, 'entry' | 'frame'>;
  readonly result: InferResult;
  /** The files that show it, as seen from the folder. */
  readonly files: readonly string[];
  /** What made it. */
  readonly provenance?: Provenance | undefined;
}

/** A hash of weights and of everything else that decides a result: 16 hexadecimal digits. */
export function modelHash(weights: StoredTensors, settings: object): string {
  const hash = createHash('sha256').update(JSON.stringify(settings));
  for (const [name, { data }] of weights) {
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex').slice(0, 16);
}

const hashesOf = ({ sha256, model }: PictureKey): string => `${sha256} ${model}`;

/** The entry of a line; null for one that a full disk cut short: its picture is looked at again. */
function parseEntry(text: string): JournalEntry | null {
  try {
    return JSON.parse(text) as JournalEntry;
  } catch {
    return null;
  }
}

/** Bytes read at once where a record is read through. */
const CHUNK = 2 ** 20;

/** Where a line lies. */
interface Piece {
  readonly start: number;
  readonly bytes: number;
}

/** A line, and the hashes of its picture and network. */
interface Done extends Piece {
  readonly hashes: string;
}

/** The record of one folder, one JSON line per picture, appended as soon as its files are written. Results stay in the file until they are asked for. */
export class Journal {
  readonly #folder: string;
  readonly #path: string;
  /** By name: the last to write files of a name is the one whose files they are. */
  readonly #done = new Map<string, Done>();
  #file: number | null = null;

  /** Reads what is there; a last line that a kill cut short is removed. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#path = join(folder, JOURNAL_FILE);
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    let end = 0;
    for (const { text, ...piece } of this.#lines(size)) {
      const entry = parseEntry(text);
      if (entry) this.#done.set(entry.name, { ...piece, hashes: hashesOf(entry) });
      end = piece.start + piece.bytes + 1;
    }
    if (end === size) return;
    try {
      truncateSync(this.#path, end);
    } catch (error) {
      throw describeWriteError(error, this.#path);
    }
  }

  /** The lines that end within the first `size` bytes. */
  *#lines(size: number): Generator<Piece & { readonly text: string }> {
    let rest = Buffer.alloc(0);
    let start = 0;
    for (let at = 0; at < size; at += CHUNK) {
      const read = this.#read({ start: at, bytes: Math.min(CHUNK, size - at) });
      rest = Buffer.concat([rest, read]);
      for (let line = rest.indexOf(10); line >= 0; line = rest.indexOf(10)) {
        yield { text: rest.toString('utf8', 0, line), start, bytes: line };
        start += line + 1;
        rest = rest.subarray(line + 1);
      }
    }
  }

  #read({ start, bytes }: Piece): Buffer {
    this.#file ??= openSync(this.#path, 'r');
    const content = Buffer.alloc(bytes);
    readSync(this.#file, content, 0, bytes, start);
    return content;
  }

  /** The entry of a picture of this content by this network under this name; null where it is not done, or another has taken its name since. */
  find(of: PictureKey): JournalEntry | null {
    const done = this.#done.get(of.name);
    return done?.hashes === hashesOf(of) ? this.#entry(done) : null;
  }

  #entry(piece: Piece): JournalEntry {
    return JSON.parse(this.#read(piece).toString()) as JournalEntry;
  }

  /** What is done. */
  *entries(): Generator<JournalEntry> {
    for (const piece of this.#done.values()) yield this.#entry(piece);
  }

  /** The files of an entry that are there still. */
  filesOf({ files }: JournalEntry): string[] {
    return files.map((file) => join(this.#folder, file)).filter((file) => existsSync(file));
  }

  /** @param entry with its files' paths. @throws GmtlError as `describeWriteError`. */
  add({ files, ...entry }: JournalEntry): void {
    const seen = files.map((file) => relative(this.#folder, file));
    const line = JSON.stringify({ ...entry, files: seen });
    try {
      const start = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
      appendFileSync(this.#path, `${line}\n`);
      this.#done.set(entry.name, { start, bytes: Buffer.byteLength(line), hashes: hashesOf(entry) });
    } catch (error) {
      throw describeWriteError(error, this.#path);
    }
  }

  /** Gives the file back; reading opens it again. */
  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}
