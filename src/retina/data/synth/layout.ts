/** Names the files and folders of a generated set as IDRiD's archives do. */
import { join } from 'node:path';
import { STRUCTURE_NAMES, STRUCTURES, type Structure } from '../../domain.ts';
import type { Grades } from './labels.ts';

/** The two released halves of IDRiD, in the words of its folder names. */
export type Half = 'train' | 'test';

const halfFolder: Record<Half, string> = { train: 'a. Training Set', test: 'b. Testing Set' };

const maskFolder = (structure: Structure): string =>
  `${STRUCTURES.indexOf(structure) + 1}. ${STRUCTURE_NAMES[structure]}`;

const segmentation = 'A. Segmentation';
const grading = 'B. Disease Grading';
const images = '1. Original Images';

/** Every folder of the two parts, relative to the data set's root. */
export function allFolders(): string[] {
  const halves = Object.values(halfFolder);
  return [
    ...halves.map((half) => join(segmentation, images, half)),
    ...halves.flatMap((half) =>
      STRUCTURES.map((structure) =>
        join(segmentation, '2. All Segmentation Groundtruths', half, maskFolder(structure)),
      ),
    ),
    ...halves.map((half) => join(grading, images, half)),
    join(grading, '2. Groundtruths'),
  ];
}

/** `IDRiD_07`: two digits, and the testing set goes on where the training set ended. */
export function segmentationName(number: number): string {
  return `IDRiD_${String(number).padStart(2, '0')}`;
}

/** `IDRiD_007`: three digits, starting again at 001 in the testing set. */
export function gradingName(number: number): string {
  return `IDRiD_${String(number).padStart(3, '0')}`;
}

/** Where an image of part A lies, relative to the data set's root. */
export function segmentationImage(half: Half, name: string): string {
  return join(segmentation, images, halfFolder[half], `${name}.jpg`);
}

/** Where the mask of one lesion kind lies: `IDRiD_07_MA.tif` in its kind's folder. */
export function segmentationMask(half: Half, name: string, kind: Structure): string {
  return join(
    segmentation,
    '2. All Segmentation Groundtruths',
    halfFolder[half],
    maskFolder(kind),
    `${name}_${kind}.tif`,
  );
}

/** Where an image of part B lies. */
export function gradingImage(half: Half, name: string): string {
  return join(grading, images, halfFolder[half], `${name}.jpg`);
}

/** Where the labels of one half of part B lie. */
export function gradingTable(half: Half): string {
  const file =
    half === 'train' ? 'a. IDRiD_Disease Grading_Training Labels.csv' : 'b. IDRiD_Disease Grading_Testing Labels.csv';
  return join(grading, '2. Groundtruths', file);
}

/**
 * The label table with the official files' quirks, which readers have to cope with: CRLF, a space after the last header,
 * and nine empty columns more in the training file.
 */
export function gradingCsv(half: Half, rows: readonly (Grades & { readonly name: string })[]): string {
  const tail = half === 'train' ? ','.repeat(9) : '';
  const lines = [
    'Image name,Retinopathy grade,Risk of macular edema ',
    ...rows.map(({ name, retinopathy, edema }) => `${name},${retinopathy},${edema}`),
  ];
  return lines.map((line) => `${line}${tail}\r\n`).join('');
}
