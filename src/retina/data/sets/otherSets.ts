/** Reads other published layouts of graded or segmented fundus photographs: each is a row of a table. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { parse } from 'csv-parse/sync';
import { GmtlError } from '../../../engine/errors.ts';
import { type DatasetItem, GRADE_COUNTS, noMasks, type Split, type Structure } from '../../domain.ts';
import { decodeText, gradeInCell, separatorOf } from './labels.ts';
import type { Metadata } from './metadata.ts';

/** Where a set has its grades: a table's file name, and its columns by header, or by number where it has none. */
interface GradeTable {
  readonly file: RegExp;
  readonly image: string | number;
  readonly retinopathy: string | number;
  readonly edema?: string;
  /** Column of splits; else a table's or a folder's name tells. */
  readonly split?: string;
  /** A grade by which the set marks pictures that nobody could grade; an empty one always does. */
  readonly ungradable?: string;
}

interface Layout {
  /** For `--help`. */
  readonly about: string;
  readonly table?: GradeTable;
  /** Whether a picture's folder is named by its grade. */
  readonly gradeFolders?: boolean;
  /** Folders of masks, by what their names begin with, in lower case. */
  readonly masks?: Readonly<Record<string, Structure>>;
}

const MASK_FOLDERS = { ma: 'MA', he: 'HE', ex: 'EX', se: 'SE', od: 'OD' } as const;

/** The layouts by name, as their makers publish them. */
export const OTHER_LAYOUTS = {
  folders: { about: 'a folder for each grade (…/0/a.jpg … …/4/b.jpg)', gradeFolders: true },
  table: {
    about: 'a CSV with path, retinopathy, and optionally edema and split',
    table: { file: /\.csv$/i, image: 'path', retinopathy: 'retinopathy', edema: 'edema', split: 'split' },
  },
  masks: {
    about: 'a folder of masks for each structure (MA, HE, EX, SE, OD) beside the pictures',
    masks: MASK_FOLDERS,
  },
  eyepacs: {
    about: 'EyePACS (Kaggle 2015): trainLabels.csv with image, level',
    table: { file: /^(trainLabels|testLabels|retinopathy_solution)\.csv$/i, image: 'image', retinopathy: 'level' },
  },
  aptos: {
    about: 'APTOS 2019: train.csv with id_code, diagnosis',
    table: { file: /^(train|valid|test)(_\d+)?\.csv$/i, image: 'id_code', retinopathy: 'diagnosis' },
  },
  'messidor-2': {
    about:
      'Messidor-2 with adjudicated grades: messidor_data.csv (its edema is yes or no, not a grade of risk, and left out)',
    table: { file: /^messidor_data\.csv$/i, image: 'image_id', retinopathy: 'adjudicated_dr_grade' },
  },
  ddr: {
    about: 'DDR: train.txt, valid.txt, test.txt with name and grade (5: ungradable), lesion masks under label/',
    table: { file: /^(train|valid|test)\.txt$/i, image: 0, retinopathy: 1, ungradable: '5' },
    masks: MASK_FOLDERS,
  },
  fgadr: {
    about: 'FGADR: DR_Seg_Grading_Label.csv without a header, masks in Microaneurysms_Masks and so on',
    table: { file: /^DR_Seg_Grading_Label\.csv$/i, image: 0, retinopathy: 1 },
    masks: { microaneurysms: 'MA', hemohedge: 'HE', hardexudate: 'EX', softexudate: 'SE' },
  },
} as const satisfies Readonly<Record<string, Layout>>;

export type OtherLayout = keyof typeof OTHER_LAYOUTS;

const PICTURE = /\.(jpe?g|png|tiff?|dcm)$/i;
/** Structures that gmtl does not segment. */
const OTHER_MASKS = /^(irma|neovascularization|label|.*mask)/i;

const keyOf = (name: string): string => basename(name).toLowerCase().replace(PICTURE, '');

/** The split that a path names by one of its parts, nearest first; training where none does. */
function splitOf(path: string): Split {
  for (const part of path.toLowerCase().split(sep).reverse()) {
    if (/^(val|valid|validation)\b|^valid/.test(part)) return 'val';
    if (/^test|^retinopathy_solution/.test(part)) return 'test';
    if (/^train/.test(part)) return 'train';
  }
  return 'train';
}

interface Listed {
  readonly pictures: readonly string[];
  /** Masks by key of the picture and structure. */
  readonly masks: ReadonlyMap<string, ReadonlyMap<Structure, string>>;
  readonly tables: readonly string[];
}

async function list(root: string, layout: Layout): Promise<Listed> {
  const found = await readdir(root, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw new GmtlError('data/no-folder', `${root}: the folder cannot be read. Check the path.`, { cause });
  });
  const files = found
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const masks = new Map<string, Map<Structure, string>>();
  const pictures = files.filter((path) => {
    if (!PICTURE.test(path)) return false;
    const folder = basename(dirname(path)).toLowerCase();
    if (!layout.masks) return true;
    const structure = Object.entries(layout.masks).find(
      ([name]) => folder === name || folder.startsWith(`${name}_`),
    )?.[1];
    if (structure === undefined) return !OTHER_MASKS.test(folder);
    const of = masks.get(keyOf(path)) ?? new Map<Structure, string>();
    masks.set(keyOf(path), of.set(structure, path));
    return false;
  });
  return { pictures, masks, tables: files.filter((path) => layout.table?.file.test(basename(path))) };
}

interface GradedRow {
  readonly where: string;
  readonly image: string;
  readonly retinopathy: number | null;
  readonly edema: number | null;
  readonly split: Split | null;
}

async function readRows(path: string, table: GradeTable): Promise<GradedRow[]> {
  const bad = (why: string, cause?: unknown) => new GmtlError('data/csv-read', `${path}: ${why}`, { cause });
  const named = typeof table.image === 'string';
  let lines: { readonly record: string[]; readonly info: { readonly lines: number } }[];
  try {
    const text = decodeText(await readFile(path));
    lines = parse(text, {
      ...{ bom: true, skip_empty_lines: true, trim: true, relax_column_count: true, info: true },
      delimiter: path.endsWith('.txt') ? ' ' : separatorOf(text),
    }) as unknown as typeof lines;
  } catch (cause) {
    throw bad(`it cannot be read as a table (${(cause as Error).message}). Save it again.`, cause);
  }
  const header = named ? (lines.shift()?.record ?? []) : [];
  if (named && header.length === 0) throw bad('the table is empty. Unpack it again.');
  const at = (column: string | number | undefined): number =>
    typeof column === 'number' ? column : header.indexOf(column ?? '');
  for (const column of [table.image, table.retinopathy]) {
    if (at(column) < 0)
      throw bad(
        `it has no column ${column} (it has ${header.join(', ')}). Choose another --layout, or mend the table.`,
      );
  }
  const grade = (text: string | undefined, task: 'retinopathy' | 'edema', where: string): number | null => {
    if (text === undefined || text === '' || text === table.ungradable) return null;
    const value = gradeInCell(text, GRADE_COUNTS[task]);
    if (value !== null) return value;
    throw new GmtlError(
      'data/csv-grade',
      `${where}: the grade of ${task} is "${text}"; it goes from 0 to ${GRADE_COUNTS[task] - 1}.`,
    );
  };
  return lines.map(({ record: cells, info }): GradedRow => {
    const where = `${path}, line ${info.lines}`;
    const split = table.split === undefined ? '' : (cells[at(table.split)] ?? '');
    if (!['', 'train', 'val', 'test'].includes(split)) {
      throw new GmtlError('data/csv-split', `${where}: the split is "${split}"; it is train, val or test.`);
    }
    return {
      where,
      image: cells[at(table.image)] ?? '',
      retinopathy: grade(cells[at(table.retinopathy)], 'retinopathy', where),
      edema: table.edema === undefined ? null : grade(cells[at(table.edema)], 'edema', where),
      split: split === '' ? null : (split as Split),
    };
  });
}

/**
 * Reads a folder in one of {@link OTHER_LAYOUTS}. Pictures with masks become segmentation items, others that are graded classification items;
 * the split is a table's column, its name or a folder's. Validation is carved from training where there is none.
 *
 * @throws GmtlError `data/no-folder`, `data/no-images`, `data/csv-…` naming table and line, `data/row-without-image`, `data/duplicate-file`.
 */
export async function readOtherLayout(root: string, name: OtherLayout): Promise<Metadata> {
  const layout: Layout = OTHER_LAYOUTS[name];
  const { pictures, masks, tables } = await list(root, layout);
  const notes: string[] = [];
  if (layout.table && tables.length === 0 && !layout.masks) {
    throw new GmtlError(
      'data/no-table',
      `${root} has no table ${layout.table.file.source} (${layout.about}). Choose another --layout, or put it there.`,
    );
  }
  const byKey = grouped(pictures);
  const graded = new Map<string, GradedRow & { readonly split: Split }>();
  let ungradable = 0;
  for (const table of tables) {
    for (const row of await readRows(table, layout.table!)) {
      const named = byKey.get(keyOf(row.image)) ?? [];
      const near = named.length > 1 ? nearest(named, root, row.image, table) : named;
      if (near.length === 0) {
        throw new GmtlError(
          'data/row-without-image',
          `${row.where}: there is no picture ${row.image} below ${root}. Unpack the pictures, or delete the row.`,
        );
      }
      if (near.length > 1) {
        throw new GmtlError(
          'data/duplicate-file',
          `${row.where}: ${row.image} may be ${near[0]} or ${near[1]}. Remove one.`,
        );
      }
      if (row.retinopathy === null && row.edema === null) {
        ungradable++;
        continue;
      }
      const ofTable = splitOf(basename(table));
      const split = row.split ?? (ofTable === 'train' ? splitOf(relative(root, near[0])) : ofTable);
      const earlier = graded.get(near[0]);
      if (
        earlier &&
        (earlier.retinopathy !== row.retinopathy || earlier.edema !== row.edema || earlier.split !== split)
      ) {
        throw new GmtlError(
          'data/csv-duplicate',
          `${row.where}: ${row.image} has other labels in ${earlier.where} already. Keep one of the two rows.`,
        );
      }
      graded.set(near[0], { ...row, split });
    }
  }
  const items = pictures.flatMap((path): DatasetItem[] => {
    const id = `${name}/${relative(root, path).split(sep).join('/').replace(PICTURE, '')}`;
    const folder = basename(dirname(path));
    const ofFolder = layout.gradeFolders && /^[0-4]$/.test(folder) ? Number(folder) : null;
    const row = graded.get(path);
    const base = {
      id,
      part: name,
      imagePath: path,
      retinopathy: row?.retinopathy ?? ofFolder,
      edema: row?.edema ?? null,
    };
    const split = row?.split ?? splitOf(dirname(relative(root, path)));
    const named = masks.get(keyOf(path));
    const own = named && ownerOf(byKey.get(keyOf(path)) ?? [], [...named.values()]) === path ? named : undefined;
    if (own) return [{ ...base, split, task: 'segmentation', maskPaths: { ...noMasks(), ...Object.fromEntries(own) } }];
    if (base.retinopathy === null && base.edema === null) return [];
    return [{ ...base, split, task: 'classification', maskPaths: null }];
  });
  if (items.length === 0) {
    throw new GmtlError(
      'data/no-images',
      `${root} holds no picture with a grade or a mask in the layout ${name}: ${layout.about}.`,
    );
  }
  if (ungradable > 0)
    notes.push(
      `${ungradable} picture(s) have no grade: nobody could give one, or the cell is empty. They are left out.`,
    );
  const unused = pictures.length - items.length - ungradable;
  if (unused > 0) notes.push(`${unused} picture(s) have neither a row nor a mask. They are left out.`);
  return { source: root, items, notes, splitsFixed: items.some(({ split }) => split === 'val') };
}

function grouped(paths: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const path of paths) groups.set(keyOf(path), [...(groups.get(keyOf(path)) ?? []), path]);
  return groups;
}

/** Of pictures of one name, those that end as a row names them; else those beside the table, else those in its split. */
function nearest(paths: readonly string[], root: string, image: string, table: string): string[] {
  const plain = image.replaceAll('\\', '/');
  if (plain.includes('/')) return paths.filter((path) => path.replaceAll('\\', '/').endsWith(`/${plain}`));
  const inSplit = paths.filter((path) => splitOf(dirname(relative(root, path))) === splitOf(basename(table)));
  if (inSplit.length < 2) return inSplit;
  return inSplit.filter((path) => path.startsWith(dirname(table) + sep));
}

/** How many characters two paths have in common from their start. */
function shared(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return length;
}

/** Of pictures of one name, the one that lies nearest to a mask of that name. */
function ownerOf(paths: readonly string[], [mask]: readonly string[]): string {
  return paths.toSorted((a, b) => shared(b, mask) - shared(a, mask))[0];
}
