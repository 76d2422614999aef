/** Tier: no adapter. Files are replaced whole or not at all: full disks, failed renames, racing writers. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  describeWriteError,
  temporaryPath,
  type FileOperations,
  nodeFileOperations,
  removeStaleTemporaryFiles,
  writeFileAtomic,
  writeFileAtomicSync,
  requireWritable,
} from './atomic.ts';

let folder = '';
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'gmtl-atomic-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

test('replaces a file and leaves nothing else behind', async () => {
  const path = join(folder, 'a.json');
  await writeFileAtomic(path, 'one');
  await writeFileAtomic(path, new Uint8Array([116, 119, 111]));
  expect(fs.readFileSync(path, 'utf8')).toBe('two');
  writeFileAtomicSync(path, 'three');
  expect(fs.readFileSync(path, 'utf8')).toBe('three');
  expect(fs.readdirSync(folder)).toEqual(['a.json']);
});

test('a full disk leaves the target untouched, removes the temporary file and says so', async () => {
  const path = join(folder, 'a.json');
  fs.writeFileSync(path, 'old');
  const full: FileOperations = {
    ...nodeFileOperations,
    async createSynced(temporary, data) {
      await nodeFileOperations.createSynced(temporary, data.subarray(0, 1));
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    },
  };
  await expect(writeFileAtomic(path, 'new', full)).rejects.toMatchObject({ name: 'GmtlError', code: 'io/disk-full' });
  expect(fs.readFileSync(path, 'utf8')).toBe('old');
  expect(fs.readdirSync(folder)).toEqual(['a.json']);
});

test('a rename that fails removes the temporary file and names the path', async () => {
  const path = join(folder, 'taken');
  fs.mkdirSync(path);
  await expect(writeFileAtomic(path, 'x')).rejects.toThrow(/taken: it is a folder/);
  expect(() => writeFileAtomicSync(path, 'x')).toThrow(/taken: it is a folder/);
  expect(fs.readdirSync(folder)).toEqual(['taken']);
});

test('creates missing folders', async () => {
  const path = join(folder, 'deep', 'er', 'a.txt');
  await writeFileAtomic(path, 'x');
  writeFileAtomicSync(join(folder, 'other', 'b.txt'), 'y');
  expect(fs.readdirSync(join(folder, 'deep', 'er'))).toEqual(['a.txt']);
  expect(fs.readFileSync(join(folder, 'other', 'b.txt'), 'utf8')).toBe('y');
});

test('names the path when the parent is a file', async () => {
  fs.writeFileSync(join(folder, 'plain'), 'x');
  const path = join(folder, 'plain', 'a.txt');
  const error = { name: 'GmtlError', code: 'io/write-failed', message: expect.stringContaining(path) };
  await expect(writeFileAtomic(path, 'y')).rejects.toMatchObject(error);
  expect(() => writeFileAtomicSync(path, 'y')).toThrow(expect.objectContaining(error));
});

test('keeps one whole content when writers race', async () => {
  const path = join(folder, 'race.txt');
  const contents = Array.from({ length: 8 }, (_, index) => String(index).repeat(20_000));
  await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
  expect(contents).toContain(fs.readFileSync(path, 'utf8'));
  expect(fs.readdirSync(folder)).toEqual(['race.txt']);
});

test('cleans up what a killed process left, and only that', async () => {
  const crash: FileOperations = {
    ...nodeFileOperations,
    rename: () => Promise.reject(new Error('killed')),
    unlink: () => Promise.reject(new Error('killed')),
  };
  await expect(writeFileAtomic(join(folder, 'a.json'), 'x', crash)).rejects.toThrow('killed');
  fs.writeFileSync(join(folder, 'notes.tmp'), 'mine');
  expect(fs.readdirSync(folder)).toHaveLength(2);
  expect(await removeStaleTemporaryFiles(folder)).toHaveLength(1);
  expect(fs.readdirSync(folder)).toEqual(['notes.tmp']);
  expect(await removeStaleTemporaryFiles(join(folder, 'absent'))).toEqual([]);
});

test('requireWritable refuses beforehand what cannot be written, and leaves nothing behind', async () => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'gmtl-writable-'));
  try {
    fs.writeFileSync(join(folder, 'file'), 'kept');
    await requireWritable(join(folder, 'file'));
    await requireWritable(join(folder, 'new', 'result.json'));
    await expect(requireWritable(folder)).rejects.toThrow('it is a folder');
    if (process.platform !== 'win32')
      await expect(requireWritable('/dev/null')).rejects.toThrow('it is a device, pipe or socket');
    await expect(requireWritable(join(folder, 'file', 'x.json'))).rejects.toThrow('part of its path is a file');
    expect(fs.readFileSync(join(folder, 'file'), 'utf8')).toBe('kept');
    expect(fs.readdirSync(folder).sort()).toEqual(['file', 'new']);
    expect(fs.readdirSync(join(folder, 'new'))).toEqual([]);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

test('a temporary file that cannot be written is called by the name of what it would have become', () => {
  const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  const path = join(folder, 'predictions.csv');
  for (const written of [path, temporaryPath(path)]) {
    expect(describeWriteError(full, written)).toMatchObject({
      code: 'io/disk-full',
      message: expect.stringContaining(`cannot write ${path}: `),
    });
  }
});
