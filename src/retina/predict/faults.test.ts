/** Faults that users of other tools reported, by kind: lists and tables as spreadsheets write them, odd files among good ones. Tier: no adapter. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeImage } from '../data/pictures/preprocess.ts';
import { readOtherLayout } from '../data/sets/otherSets.ts';
import { printableLine } from '../../engine/printable.ts';
import { nameInputs } from './inputs.ts';
import { readManifest } from './manifest.ts';
import { PictureThreads } from './pictureThreads.ts';

const root = mkdtempSync(join(tmpdir(), 'gmtl-faults-'));
afterAll(() => rmSync(root, { recursive: true }));
const at = (name: string): string => join(root, name);

/** A table as a spreadsheet saves it for Excel: UTF-16 with a byte order mark. */
const utf16 = (text: string): Buffer => Buffer.from(`\uFEFF${text}`, 'utf16le');

describe('a list of pictures', () => {
  const rows = 'path,id\neye é.jpg,first\n"folder, with comma/b.jpg",second\n';
  const read = async (name: string, content: string | Buffer) => {
    writeFileSync(at(name), content);
    return (await readManifest(at(name))).map(({ path, id }) => [path.slice(root.length + 1), id]);
  };
  const expected = [
    ['eye é.jpg', 'first'],
    ['folder, with comma/b.jpg', 'second'],
  ];

  it.each([
    ['plain.csv', rows],
    ['bom.csv', `\uFEFF${rows.replaceAll('\n', '\r\n')}`],
    ['semicolons.csv', 'path;id\neye é.jpg;first\nfolder, with comma/b.jpg;second\n'],
    ['wide.csv', utf16(rows)],
    [
      'quoted.csv',
      rows
        .replace('path,id', 'path,id,"notes; more; and more"')
        .replace('first\n', 'first,\n')
        .replace('second\n', 'second,\n'),
    ],
    ['blank.csv', rows.replaceAll('\n', '\n\n')],
    ['wide.jsonl', utf16(expected.map(([path, id]) => JSON.stringify({ path, id })).join('\r\n'))],
  ])('%s is read as it was meant', async (name, content) => {
    expect(await read(name, content)).toEqual(expected);
  });

  it('names the line of the file, not of the rows, where a cell holds line feeds', async () => {
    await expect(read('lines.csv', 'path,eye\n"a.jpg","left\neye"\n\n,right\n')).rejects.toThrow(/lines\.csv, line 5/);
  });

  it('refuses text of another encoding, a picture of two names, and takes one named twice alike once', async () => {
    await expect(read('latin.csv', Buffer.from('path\n\xe9.jpg\n', 'latin1'))).rejects.toThrow(/not valid.*utf-8/i);
    await expect(read('two.csv', 'path,id\na.jpg,1\n./a.jpg,2\n')).rejects.toThrow(/a\.jpg is in line 2 already/);
    expect(await read('same.csv', 'path,id\na.jpg,1\na.jpg,1\n')).toHaveLength(1);
    await expect(read('twice.csv', 'path,path,id\na.jpg,b.jpg,1\n')).rejects.toThrow(
      /line 1: the column path is there twice/,
    );
    await expect(read('nul.jsonl', '{"path":"a.jpg","id":"a\\u0000b"}')).rejects.toThrow(/line 1: id: has a NUL/);
    await expect(readManifest(at('none.csv'))).rejects.toThrow(/none\.csv.*no such file/);
  });
});

it('ids longer than a file name are shortened and stay apart', () => {
  const long = (end: string) => ({ path: at(`${end}.jpg`), id: `${'é'.repeat(300)}${end}` });
  const names = nameInputs([long('a'), long('b')]).map(({ name }) => name);
  expect(new Set(names).size).toBe(2);
  for (const name of names) expect(Buffer.byteLength(`${name}_overlay.png`)).toBeLessThan(255);
});

it('threads are bounded: a billion of them would end the process without a word', () => {
  const make = (count: number) => () => new PictureThreads(count, {} as never, {} as never, (result) => result);
  for (const count of [1e9, 257, 0, 1.5, Number.NaN])
    expect(make(count)).toThrow(/threads: give a whole number up to 256/);
});

describe('a published table of grades', () => {
  mkdirSync(at('eyepacs'));
  for (const name of ['a', 'b']) writeFileSync(join(at('eyepacs'), `${name}.jpg`), '');
  const grades = async (content: string | Buffer) => {
    writeFileSync(join(at('eyepacs'), 'trainLabels.csv'), content);
    const { items } = await readOtherLayout(at('eyepacs'), 'eyepacs');
    return items.map(({ retinopathy }) => retinopathy);
  };

  it.each([
    ['semicolons', 'image;level\na;0\nb;2,0\n'],
    ['tabs', 'image\tlevel\na\t0\nb\t2\n'],
    ['UTF-16', utf16('image,level\r\na,0\r\nb,2\r\n')],
    ['grades as floats', 'image,level\na,0.0\nb,2.0\n'],
    ['a row twice', 'image,level\na,0\nb,2\nb,2\n'],
  ])('with %s is read as it was meant', async (_, content) => {
    expect(await grades(content)).toEqual([0, 2]);
  });

  it('refuses what is not a grade, and a picture of two grades, naming the lines', async () => {
    await expect(grades('image,level\na,0\nb,2\nb,3\n')).rejects.toThrow(/line 4: b has other labels in .* line 3/);
    for (const wrong of ['NaN', '-1', '5', '1.5', 'true', '0x1', '1e0', 'mild']) {
      await expect(grades(`image,level\n"a",0\n\nb,${wrong}\n`)).rejects.toThrow(/line 4: the grade of retinopathy/);
    }
    await expect(grades('')).rejects.toThrow(/the table is empty/);
  });
});

/** A TIFF of one float for each pixel, 0 to 1, as scientific programs write them. */
function floatTiff(width: number, height: number): Buffer {
  // Tag, type (3: 16 bits, 4: 32), value: size, 32 bits, no compression, gray, one strip after the table, samples of type 3 (float).
  const tags = [
    ...[
      [256, 3, width],
      [257, 3, height],
      [258, 3, 32],
      [259, 3, 1],
      [262, 3, 1],
      [273, 4, 134],
      [277, 3, 1],
    ],
    ...[
      [278, 3, height],
      [279, 4, 4 * width * height],
      [339, 3, 3],
    ],
  ];
  const file = Buffer.alloc(134 + 4 * width * height);
  file.write('II*\0');
  file.writeUInt32LE(8, 4);
  file.writeUInt16LE(tags.length, 8);
  tags.forEach(([tag, type, value], index) => {
    const entry = 10 + 12 * index;
    file.writeUInt16LE(tag, entry);
    file.writeUInt16LE(type, entry + 2);
    file.writeUInt32LE(1, entry + 4);
    file.writeUInt32LE(value, entry + 8);
  });
  for (let index = 0; index < width * height; index++) file.writeFloatLE(index / (width * height), 134 + 4 * index);
  return file;
}

describe('an odd picture file', () => {
  const picture = sharp({ create: { width: 40, height: 30, channels: 3, background: '#884422' } });

  it('is told from a damaged one: links, folders, other kinds, floats', async () => {
    symlinkSync('loop.png', at('loop.png'));
    symlinkSync('gone.png', at('dangling.png'));
    mkdirSync(at('folder.png'));
    writeFileSync(at('text.jpg'), 'hello, this is text');
    writeFileSync(at('floats.tiff'), floatTiff(4, 3));
    await expect(decodeImage(at('loop.png'))).rejects.toThrow(/leads back to itself/);
    await expect(decodeImage(at('dangling.png'))).rejects.toThrow(/no such file, or it is a link to one that is gone/);
    await expect(decodeImage(at('folder.png'))).rejects.toThrow(/it is not a file\. Name a picture file/);
    await expect(decodeImage(at('floats.tiff'))).rejects.toThrow(/samples are of type float\. Save it with 8 or 16/);
    await expect(decodeImage(at('text.jpg'))).rejects.toThrow(/a kind that is not read: save it as PNG/);
  });

  it('says what a viewer would see otherwise: further pages, inks', async () => {
    const page = await picture.clone().png().toBuffer();
    const other = await picture.clone().negate().png().toBuffer();
    await sharp([page, other], { join: { animated: true } })
      .gif()
      .toFile(at('pages.gif'));
    await picture.clone().toColourspace('cmyk').jpeg().toFile(at('inks.jpg'));
    await picture.clone().jpeg({ progressive: true }).toFile(at('progressive.jpg'));
    expect((await decodeImage(at('pages.gif'))).notes).toEqual([expect.stringMatching(/holds 2 pictures/)]);
    expect((await decodeImage(at('inks.jpg'))).notes).toEqual([expect.stringMatching(/inks \(CMYK\)/)]);
    expect((await decodeImage(at('progressive.jpg'))).notes).toEqual([]);
  });

  it('is named in one line, whatever its name', () => {
    expect(printableLine('new\nline\u001b[31m.png')).toBe('new\\nline\\u001b[31m.png');
  });
});
