/** Spans of time on the host, for the step benchmark's breakdowns and its trace. */
export type HostTrack = 'phase' | 'host' | 'wait';

export interface Span {
  readonly track: HostTrack;
  readonly name: string;
  /** Milliseconds on `performance.now`'s clock. */
  readonly start: number;
  readonly end: number;
}

/** Collects spans in the order of their ends. */
export class Timeline {
  readonly spans: Span[] = [];

  add(track: HostTrack, name: string, start: number, end = performance.now()): number {
    this.spans.push({ track, name, start, end });
    return end - start;
  }

  /** Times `body`; a span is added even where it throws. */
  async time<T>(track: HostTrack, name: string, body: () => T | Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await body();
    } finally {
      this.add(track, name, start);
    }
  }
}
