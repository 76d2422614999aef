/** Tier: no adapter. Results as DICOM files: they refer to their photograph, and hold the masks and grades; dcmtk and dciodvfy judge them where they are. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import dicomParser from 'dicom-parser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeImage } from '../data/pictures/preprocess.ts';
import { openDicomOut, readDicomSource, writeDicomOut } from './dicomOut.ts';
import { PREDICTIONS_SCHEMA } from './predictionRow.ts';
import type { Inferred } from './result.ts';

const eye = (name: string): string =>
  fileURLToPath(new URL(`../data/pictures/fixtures/dicom/${name}.dcm`, import.meta.url));

/** What dcmtk 3.6.7 says of every file in UTF-8: it checks values in other character sets only. */
const OWN_LIMIT = 'does not support this Specific Character Set: ISO_IR 192';

const PROVENANCE = {
  schema: PREDICTIONS_SCHEMA,
  gmtl: '1.0.0',
  model: '0123456789abcdef',
  adapter: 'an adapter',
  preprocessing: 'fedcba9876543210',
} as const;

const NOTE = 'retinopathy >= 2, from a score of 0.66 on: sensitivity 0.93 [0.70, 0.99]';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gmtl-dicom-out-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a network might say of a photograph: every third pixel is exudate, every fifth disc. */
async function inferredOf(path: string, frame: number): Promise<Inferred> {
  const image = await decodeImage(path, undefined, frame);
  const { width, height } = image;
  const every = (step: number): Uint8Array =>
    Uint8Array.from({ length: width * height }, (_, at) => +(at % step === 0));
  return {
    image,
    masks: { EX: every(3), OD: every(5) },
    result: {
      ...{
        file: path,
        frame: { width, height },
        crop: { left: 0, top: 0, size: 48 },
        tiles: 0,
        trust: { trainedOn: 'not recorded', likeness: null, gradability: { gradable: true, reasons: [] } },
        lesions: Object.fromEntries(
          (['EX', 'OD'] as const).map((name) => [name, { name, pixels: 1, share: 0, regions: 1 }]),
        ),
      },
      gate: { task: 'segmentation', probability: 0.6, probabilities: { segmentation: 0.6, classification: 0.4 } },
      experts: ['segmentation', 'classification'],
      retinopathy: {
        grade: 2,
        name: 'moderate',
        probabilities: [0.1, 0.2, 0.4, 0.2, 0.1],
        uncertainty: { entropy: 0.9 },
      },
      edema: { grade: 0, name: 'none', probabilities: [0.7, 0.2, 0.1], uncertainty: { entropy: 0.7 } },
      referral: { decision: 'unsure', by: 'score', score: 0.71, threshold: 0.66, unsure: [0.36, 0.88] },
      warnings: ['the picture is dark'],
      ...(image.dicom && { dicom: image.dicom }),
    },
  };
}

async function written(name: string, frame: number): Promise<{ inferred: Inferred; files: string[] }> {
  const input = { path: eye(name), name: `${name}_frame${frame}`, frame };
  openDicomOut(folder, [input]);
  const inferred = await inferredOf(input.path, frame);
  const source = await readDicomSource(input.path);
  return { inferred, files: await writeDicomOut(folder, input, source, inferred, PROVENANCE, NOTE) };
}

const parse = (file: string): dicomParser.DataSet => dicomParser.parseDicom(readFileSync(file));

describe('a DICOM photograph’s results as DICOM', () => {
  it.each([
    ['rgb', 1],
    ['jpeg', 1],
    ['frames', 2],
    ['implicit', 1],
    ['wrapped', 1],
  ])('%s, frame %d: a Segmentation with the masks, and a report with the grades', async (name, frame) => {
    const { inferred, files } = await written(name, frame);
    expect(files.map((file) => basename(file))).toEqual([
      `${name}_frame${frame}_seg.dcm`,
      `${name}_frame${frame}_sr.dcm`,
    ]);
    const source = parse(eye(name));
    const [segmentation, report] = files.map(parse);
    for (const document of [segmentation, report]) {
      for (const tag of ['x00100010', 'x00100020', 'x0020000d']) expect(document.string(tag)).toBe(source.string(tag));
      expect(document.string('x00080018')).not.toBe(source.string('x00080018'));
    }
    expect(segmentation.intString('x00280008')).toBe(2);
    const { dataOffset } = segmentation.elements.x7fe00010;
    const bits = segmentation.byteArray.subarray(dataOffset);
    const pixels = 56 * 48;
    const bit = (at: number): number => (bits[at >> 3] >> (at & 7)) & 1;
    for (const [index, mask] of [inferred.masks!.EX!, inferred.masks!.OD!].entries()) {
      expect(Array.from(mask, (_, at) => bit(index * pixels + at))).toEqual(Array.from(mask));
    }
    const image = segmentation.elements.x52009229.items![0].dataSet!.elements.x00089124.items![0].dataSet!;
    const referenced = image.elements.x00082112.items![0].dataSet!;
    expect(referenced.string('x00081155')).toBe(source.string('x00080018'));
    expect(referenced.intString('x00081160')).toBe(name === 'frames' ? 2 : undefined);
    const grades = report.elements.x0040a730.items!.map(
      ({ dataSet }) => dataSet!.elements.x0040a168?.items?.[0].dataSet,
    );
    expect(grades.map((code) => code?.string('x00080100')).filter(Boolean)).toEqual([
      'eng',
      '121007',
      'LA18645-4',
      'edema-0',
      'referral-unsure',
    ]);
    const side = inferred.result.dicom?.laterality;
    const told = report.elements.x0040a730.items!.flatMap(({ dataSet }) =>
      (dataSet!.elements.x0040a730?.items ?? []).map((item) => item.dataSet!.elements.x0040a168?.items?.[0].dataSet),
    );
    const sides = told.map((code) => code?.string('x00080104')).filter(Boolean);
    expect(sides).toEqual(side ? [side, side].map((one) => (one === 'right' ? 'Right' : 'Left')) : []);
    const text = report.byteArray.toString();
    expect(text).toContain('NOT SURE (score 0.71, unclear from 0.36 to 0.88)');
    expect(text).toContain(NOTE);
  });

  it('has codes of LOINC with the notice that its license asks for', () => {
    const source = readFileSync(new URL('dicomReport.ts', import.meta.url), 'utf8');
    const docs = readFileSync(new URL('../../../docs/interop.md', import.meta.url), 'utf8').replaceAll(/\s+/g, ' ');
    const notice =
      /This material contains content from LOINC \(http:\/\/loinc\.org\)\..* license at http:\/\/loinc\.org\/license\./;
    for (const text of [source.replaceAll(/[\s*]+/g, ' '), docs]) expect(text).toMatch(notice);
  });

  it('passes the checkers that are installed', async (context) => {
    const there = ['dciodvfy', 'dsrdump', 'dcmdump'].filter(
      (tool) => spawnSync(tool, ['--version']).error === undefined,
    );
    if (there.length === 0) context.skip('dcmtk and dicom3tools are not installed');
    for (const [name, frame] of [
      ['rgb', 1],
      ['jpeg', 1],
      ['frames', 2],
    ] as const) {
      for (const file of (await written(name, frame)).files) {
        for (const tool of there) {
          if (tool === 'dsrdump' && !file.endsWith('_sr.dcm')) continue;
          const { stdout, stderr } = spawnSync(tool, [file], { encoding: 'utf8' });
          const faults = `${stdout}\n${stderr}`
            .split('\n')
            .filter((line) => /^(Error|E:|F:|W:)/.test(line) && !line.includes(OWN_LIMIT));
          expect(faults, `${tool} ${basename(file)}`).toEqual([]);
        }
      }
    }
  });
});
