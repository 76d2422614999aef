/** Ranks within one process, for tests: what they exchange goes through memory. */
import type { GmtlError } from '../errors.ts';
import { type Ranks, treeSum } from './ranks.ts';

/** `size` ranks whose methods wait for each other. */
export function localRanks(size: number): Ranks[] {
  interface Meeting {
    readonly given: unknown[];
    readonly met: Promise<void>;
    come(): void;
  }
  const meetings: Meeting[] = [];
  const meet = async <T>(rank: number, round: number, value: T): Promise<T[]> => {
    if (!meetings[round]) {
      let come = (): void => undefined;
      const met = new Promise<void>((resolve) => {
        come = resolve;
      });
      meetings[round] = { given: [], met, come };
    }
    const meeting = meetings[round];
    meeting.given[rank] = value;
    if (Object.keys(meeting.given).length === size) meeting.come();
    await meeting.met;
    return meeting.given as T[];
  };
  return Array.from({ length: size }, (_, rank): Ranks => {
    let round = 0;
    return {
      rank,
      size,
      timing: { waitMs: 0, exchangeMs: 0, sentBytes: 0 },
      gather: (bytes) => meet(rank, round++, bytes),
      gatherValues: (value) => meet(rank, round++, structuredClone(value)),
      async sum(values, flush) {
        const all = await meet(rank, round++, values.slice());
        return treeSum(
          all.map((vector) => vector.slice()),
          flush,
        );
      },
      agree(error: GmtlError): never {
        throw error;
      },
    };
  });
}
