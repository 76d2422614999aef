/** Tier: no adapter. Event files are read back field by field, and held against a record of TensorBoard's own writer. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EventWriter, maskedCrc } from './tensorboard.ts';

let folder = '';
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'gmtl-events-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

interface Event {
  wallTime: number;
  step: number;
  version?: string;
  session?: number;
  scalars: Record<string, number>;
}

function fields(bytes: Uint8Array, visit: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (!visit(field, reader)) throw new Error(`unknown field ${field} of wire type ${wire}`);
  }
}

function readEvents(path: string): Event[] {
  const bytes = fs.readFileSync(path);
  const events: Event[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(maskedCrc(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedCrc(data));
    at += length + 16;
    const event: Event = { wallTime: 0, step: 0, scalars: {} };
    fields(data, (field, reader) => {
      if (field === 1) event.wallTime = reader.double();
      else if (field === 2) event.step = Number(reader.int64());
      else if (field === 3) event.version = reader.string();
      else if (field === 7)
        fields(reader.bytes(), (_, log) => {
          event.session = log.int32();
          return true;
        });
      else if (field === 5)
        fields(reader.bytes(), (_, summary) => {
          let tag = '';
          fields(summary.bytes(), (part, value) => {
            if (part === 1) tag = value.string();
            else event.scalars[tag] = value.float();
            return part <= 2;
          });
          return true;
        });
      else return false;
      return true;
    });
    events.push(event);
  }
  return events;
}

test('the first record is byte for byte what TensorBoard writes', () => {
  new EventWriter(folder, { clock: () => 1000 }).close();
  const [name] = fs.readdirSync(folder);
  expect(name).toMatch(/^events\.out\.tfevents\.0000000001\./);
  const bytes = fs.readFileSync(join(folder, name));
  // tensorboard 2.21: RecordWriter(file).write(Event(wall_time=1, file_version='brain.Event:2').SerializeToString())
  expect(bytes.toString('hex')).toBe(
    '1800000000000000a37f4b2209000000000000f03f1a0d627261696e2e4576656e743a3286bf577a',
  );
});

test("CRC-32C's published check value, masked", () => {
  // RFC 3720, B.4: 32 bytes of zeros have the CRC-32C 0x8a9136aa.
  const crc = 0x8a9136aa;
  const masked = Number((BigInt(((crc >>> 15) | (crc << 17)) >>> 0) + 0xa282ead8n) & 0xffffffffn);
  expect(maskedCrc(new Uint8Array(32))).toBe(masked);
});

test('scalars come back, NaN and missing ones left out', () => {
  let now = 5000;
  const writer = new EventWriter(folder, { clock: () => now });
  now = 6500;
  writer.scalars(3, { 'loss/total': 0.5, 'gate/accuracy': Number.NaN, absent: null, grad: Infinity });
  writer.scalars(70_000, { 'loss/total': 1e300 });
  writer.scalars(70_001, { 'loss/total': Number.NaN });
  writer.close();
  writer.close();
  expect(readEvents(writer.path)).toEqual([
    { wallTime: 5, step: 0, version: 'brain.Event:2', scalars: {} },
    { wallTime: 6.5, step: 3, scalars: { 'loss/total': 0.5, grad: Infinity } },
    { wallTime: 6.5, step: 70_000, scalars: { 'loss/total': Infinity } },
  ]);
});

test('a resumed run starts a file that supersedes later steps of the files before', () => {
  const clock = () => 1000;
  new EventWriter(folder, { clock }).close();
  const second = new EventWriter(folder, { clock, resumeStep: 12 });
  second.scalars(13, { a: 1 });
  second.close();
  expect(fs.readdirSync(folder).sort()[1]).toBe(second.path.slice(folder.length + 1));
  expect(readEvents(second.path).slice(1)).toEqual([
    { wallTime: 1, step: 13, session: 1, scalars: {} },
    { wallTime: 1, step: 13, scalars: { a: 1 } },
  ]);
});

test('rows are on the disk after a flush, and at once where the interval has passed', () => {
  const writer = new EventWriter(folder, { flushIntervalMs: 0 });
  writer.scalars(1, { a: 1 });
  expect(readEvents(writer.path)).toHaveLength(2);
  writer.close();
});
