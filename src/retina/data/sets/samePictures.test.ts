/** Tier: no adapter. Same pictures are found as comparing all with all finds them, limits included. */
import { describe, expect, it } from 'vitest';
import { KeyedRandom } from '../../random.ts';
import { DETAIL_SIDE } from './detail.ts';
import { compareFingerprints, type Fingerprint, THUMBNAIL_COLUMNS, THUMBNAIL_ROWS } from './fingerprint.ts';
import { groupSamePictures, type SamePair, samePairs } from './samePictures.ts';

const PIXELS = THUMBNAIL_COLUMNS * THUMBNAIL_ROWS;

/** What `samePairs` promises, by comparing all with all. */
function plainPairs(prints: readonly Fingerprint[]): SamePair[] {
  return prints.flatMap((one, later) =>
    prints.slice(0, later).flatMap((other, earlier): SamePair[] => {
      const relation = compareFingerprints(other, one);
      return relation === null ? [] : [{ earlier, later, relation }];
    }),
  );
}

/** Pictures that are copies of a few, more or less changed: many pairs stand near one of the limits, on either side. */
function nearCopies(count: number, bases: number, seed: number): Fingerprint[] {
  const random = new KeyedRandom(seed, 77, 0);
  const upTo = (most: number): number => Math.floor(random.uniform() * most);
  const originals = Array.from({ length: bases }, () => ({
    thumbnail: Uint8Array.from({ length: PIXELS }, () => 60 + upTo(100)),
    detail: Int8Array.from({ length: DETAIL_SIDE ** 2 }, () => upTo(41) - 20),
  }));
  return Array.from({ length: count }, (_, index): Fingerprint => {
    const { thumbnail, detail } = originals[upTo(bases)];
    const [change, shift, noise] = [upTo(12), upTo(3), upTo(60)];
    const copies = upTo(20) === 0;
    return {
      sha256: copies ? 'the same file' : `file ${index}`,
      thumbnail: copies ? originals[0].thumbnail : thumbnail.map((gray) => gray + shift + upTo(change + 1)),
      detail: copies ? originals[0].detail : detail.map((value) => value + upTo(noise + 1) - (noise >> 1)),
    };
  });
}

describe('same pictures', () => {
  it('are those that comparing all with all finds', () => {
    const prints = nearCopies(240, 6, 1);
    prints.splice(7, 0, { sha256: 'flat', thumbnail: null, detail: null });
    prints.push({ sha256: 'flat', thumbnail: null, detail: null });
    const pairs = samePairs(prints);
    expect(pairs).toEqual(plainPairs(prints));
    const similar = pairs.filter(({ relation }) => relation === 'similar');
    expect(similar.length).toBeGreaterThan(100);
    expect(pairs.length - similar.length).toBeGreaterThan(10);
    // Of pictures with one origin a good part is on the other side of a limit.
    expect(similar.length).toBeLessThan((0.5 * 240 * 40) / 2);
    expect(pairs).toContainEqual({ earlier: 7, later: 241, relation: 'identical' });
  });

  it('are grouped by the first of them, over chains too', () => {
    const prints = nearCopies(60, 6, 2);
    const expected = prints.map((_, index) => index);
    // Pairs in the order of the later image: its group is that of the earliest root it meets, and joins groups.
    for (const { earlier, later } of plainPairs(prints)) {
      const [low, high] = [expected[earlier], expected[later]].sort((a, b) => a - b);
      for (const [index, root] of expected.entries()) if (root === high) expected[index] = low;
    }
    expect([...groupSamePictures(prints)]).toEqual(expected);
  });
});
