/**
 * TensorBoard event files of scalars. A file is a sequence of TFRecords (tensorflow/core/lib/io/record_writer.h): length as uint64, its
 * masked CRC-32C, the bytes, their masked CRC-32C, all little-endian; the bytes are an `Event` (tensorflow/core/util/event.proto).
 */
import { closeSync, fsyncSync, openSync, readdirSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import crc32c from 'crc-32/crc32c.js';
import { describeWriteError, makeFolders } from '../../engine/node/atomic.ts';

export interface EventWriterOptions {
  /** Goes on after this step: TensorBoard then leaves out what earlier files of the folder say of later steps. */
  readonly resumeStep?: number;
  /** Events reach the file at least this often while they arrive. Default 2000 ms. */
  readonly flushIntervalMs?: number;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly clock?: () => number;
}

/** Field numbers of event.proto and summary.proto. */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const SUMMARY_VALUE = 1;
const VALUE = { tag: 1, simpleValue: 2 } as const;
const SESSION_LOG = { status: 1, start: 1 } as const;

/** Writes scalars for TensorBoard into a folder; each start of a run makes a file of its own there. */
export class EventWriter {
  readonly path: string;
  readonly #file: number;
  readonly #clock: () => number;
  readonly #flushIntervalMs: number;
  #pending: Uint8Array[] = [];
  #lastWrite: number;
  #open = true;

  /** @throws GmtlError as {@link describeWriteError}. */
  constructor(folder: string, { resumeStep, flushIntervalMs = 2000, clock = Date.now }: EventWriterOptions = {}) {
    this.#clock = clock;
    this.#flushIntervalMs = flushIntervalMs;
    this.#lastWrite = clock();
    try {
      makeFolders(folder);
      // TensorBoard reads a folder's files in the order of their names: the number keeps starts within a second apart.
      const count = readdirSync(folder).filter((name) => name.includes('.tfevents.')).length;
      const seconds = String(Math.floor(clock() / 1000)).padStart(10, '0');
      this.path = join(folder, `events.out.tfevents.${seconds}.${String(count).padStart(4, '0')}.${hostname()}`);
      this.#file = openSync(this.path, 'wx');
    } catch (error) {
      throw describeWriteError(error, folder);
    }
    this.#event((event) => event.tag(EVENT.fileVersion, WireType.LengthDelimited).string('brain.Event:2'));
    if (resumeStep !== undefined) {
      this.#event((event) => {
        event.tag(EVENT.step, WireType.Varint).int64(resumeStep + 1);
        event.tag(EVENT.sessionLog, WireType.LengthDelimited).fork();
        event.tag(SESSION_LOG.status, WireType.Varint).int32(SESSION_LOG.start).join();
      });
    }
  }

  /** Adds one point to each named curve. Values that are missing or NaN are left out; infinities are kept. */
  scalars(step: number, values: Readonly<Record<string, number | null | undefined>>): void {
    const given = Object.entries(values).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number' && !Number.isNaN(entry[1]),
    );
    if (given.length === 0) return;
    this.#event((event) => {
      event.tag(EVENT.step, WireType.Varint).int64(step);
      event.tag(EVENT.summary, WireType.LengthDelimited).fork();
      for (const [tag, value] of given) {
        event.tag(SUMMARY_VALUE, WireType.LengthDelimited).fork();
        event.tag(VALUE.tag, WireType.LengthDelimited).string(tag);
        // The writer refuses a double beyond float32's range; the curve shows it as infinite.
        event.tag(VALUE.simpleValue, WireType.Bit32).float(Math.fround(value)).join();
      }
      event.join();
    });
    if (this.#clock() - this.#lastWrite >= this.#flushIntervalMs) this.#write();
  }

  /** Writes what is buffered and waits until it is on the disk. */
  flush(): void {
    if (!this.#open) return;
    this.#write();
    fsyncSync(this.#file);
  }

  /** Flushes and closes. Closing twice is fine. */
  close(): void {
    if (!this.#open) return;
    try {
      this.flush();
    } finally {
      this.#open = false;
      closeSync(this.#file);
    }
  }

  #event(fill: (event: BinaryWriter) => void): void {
    const event = new BinaryWriter();
    event.tag(EVENT.wallTime, WireType.Bit64).double(this.#clock() / 1000);
    fill(event);
    this.#pending.push(record(event.finish()));
  }

  #write(): void {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    try {
      for (let offset = 0; offset < bytes.length; ) offset += writeSync(this.#file, bytes, offset);
    } catch (error) {
      throw describeWriteError(error, this.path);
    }
    this.#lastWrite = this.#clock();
  }
}

/** CRC-32C, rotated and shifted so that the checksum of data with checksums in it stays a good one (tensorflow/core/lib/hash/crc32c.h). */
export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c.buf(bytes) >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

function record(data: Uint8Array): Uint8Array {
  const result = Buffer.alloc(data.length + 16);
  result.writeBigUInt64LE(BigInt(data.length), 0);
  result.writeUInt32LE(maskedCrc(result.subarray(0, 8)), 8);
  result.set(data, 12);
  result.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return result;
}
