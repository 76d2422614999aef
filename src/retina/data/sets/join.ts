/** Gives copies of one picture the labels of all of them. */
import type { Fingerprint } from './fingerprint.ts';
import { groupSamePictures } from './samePictures.ts';
import { sameFrame } from './sameFrame.ts';
import type { DatasetItem, MaskPaths, Split } from '../../domain.ts';

export interface JoinResult {
  /** As given, in the same order, with the labels that a copy in the same split lent. */
  readonly items: DatasetItem[];
  readonly notes: string[];
}

type Grade = 'retinopathy' | 'edema';

/**
 * Gives images that show the same picture (part A and part B share eyes) each other's labels: masks and grades. Each image
 * keeps its task and everything it had; only what is unknown is filled in.
 *
 * Labels never cross from one split to another. Grades belong to the picture, so any copy lends them, unless copies contradict
 * each other: then nothing is lent, and a note reports it. Masks belong to the pixels of one image: they are lent only to
 * a copy whose frame is the same, pixel by pixel (see `sameFrame`).
 *
 * @param fingerprints one for each item.
 * @throws GmtlError `data/image-unreadable` when a frame that has to be compared cannot be decoded.
 */
export async function joinLabels(
  items: readonly DatasetItem[],
  fingerprints: readonly Fingerprint[],
): Promise<JoinResult> {
  const groups = new Map<string, number[]>();
  for (const [index, root] of groupSamePictures(fingerprints).entries()) {
    const key = `${root} ${items[index].split}`;
    const members = groups.get(key);
    if (members) members.push(index);
    else groups.set(key, [index]);
  }
  const joined = [...items];
  const notes: string[] = [];
  const counts: Record<Split, { grades: number; masks: number; misfits: number }> = {
    train: { grades: 0, masks: 0, misfits: 0 },
    val: { grades: 0, masks: 0, misfits: 0 },
    test: { grades: 0, masks: 0, misfits: 0 },
  };
  for (const members of groups.values()) {
    if (members.length < 2) continue;
    const tally = counts[items[members[0]].split];
    const retinopathy = lent(items, members, 'retinopathy', notes);
    const edema = lent(items, members, 'edema', notes);
    for (const index of members) {
      const item = items[index];
      const masks = item.maskPaths === null ? await lentMasks(items, fingerprints, members, index) : 'own';
      if (masks === 'misfit') tally.misfits++;
      const maskPaths = typeof masks === 'string' ? item.maskPaths : masks;
      const next = { ...item, retinopathy: item.retinopathy ?? retinopathy, edema: item.edema ?? edema, maskPaths };
      if (next.retinopathy !== item.retinopathy || next.edema !== item.edema) tally.grades++;
      if (next.maskPaths !== item.maskPaths) tally.masks++;
      joined[index] = next;
    }
  }
  for (const [split, { grades, masks, misfits }] of Object.entries(counts)) {
    if (grades + masks + misfits === 0) continue;
    const left = misfits === 0 ? '' : `; ${misfits} kept none, as the masked copy's frame differs from theirs`;
    notes.push(
      `${split}: ${grades} image(s) got grades and ${masks} got masks from a copy of the same picture${left}.`,
    );
  }
  return { items: joined, notes };
}

/** The grade all copies that have one agree on; null when no copy has one, or they contradict each other. */
function lent(items: readonly DatasetItem[], members: readonly number[], grade: Grade, notes: string[]): number | null {
  const graded = members.map((index) => items[index]).filter((item) => item[grade] !== null);
  const values = new Set(graded.map((item) => item[grade]));
  if (values.size > 1 && graded.length < members.length) {
    const name = grade === 'retinopathy' ? 'retinopathy' : 'macular edema';
    const claims = graded.map((item) => `${item.id} grade ${item[grade]}`).join(', ');
    notes.push(`Copies of one picture contradict each other about ${name} (${claims}): none is passed on.`);
  }
  return values.size === 1 ? graded[0][grade] : null;
}

async function lentMasks(
  items: readonly DatasetItem[],
  fingerprints: readonly Fingerprint[],
  members: readonly number[],
  receiver: number,
): Promise<MaskPaths | 'none' | 'misfit'> {
  const donors = members.filter((index) => items[index].maskPaths !== null);
  for (const donor of donors) {
    const identical = fingerprints[donor].sha256 === fingerprints[receiver].sha256;
    if (identical || (await sameFrame(items[donor].imagePath, items[receiver].imagePath))) {
      return items[donor].maskPaths ?? 'none';
    }
  }
  return donors.length === 0 ? 'none' : 'misfit';
}
