/** For tests: a command in the test's own process, and data for runs that end without a report. */
import { afterAll, beforeAll, vi } from 'vitest';
import { type AdapterChoice, openAdapter } from '../src/engine/node/open.ts';
import { openDataset } from '../src/retina/data/sets/dataset.ts';
import { writeMetadata } from '../src/retina/data/sets/metadata.ts';
import { gmtl } from './gmtl.ts';

/** How a command ended and what it printed. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command in this process: in a tenth of a program's time what is refused before an adapter is opened, and in half of it what opens one
 * (`keepAdapter`).
 */
export async function gmtlHere(...words: string[]): Promise<Outcome> {
  const streams = { stdout: '', stderr: '' };
  const into = (stream: keyof typeof streams) => (text: unknown) => {
    streams[stream] += `${String(text)}\n`;
  };
  const spies = [
    vi.spyOn(console, 'log').mockImplementation(into('stdout')),
    vi.spyOn(console, 'error').mockImplementation(into('stderr')),
    vi.spyOn(console, 'warn').mockImplementation(into('stderr')),
    ...(['stdout', 'stderr'] as const).map((stream) =>
      vi.spyOn(process[stream], 'write').mockImplementation((text, ...rest: unknown[]) => {
        streams[stream] += String(text);
        const written = rest.at(-1);
        if (typeof written === 'function') written();
        return true;
      }),
    ),
  ];
  try {
    process.exitCode = 0;
    await gmtl(words);
    return { code: process.exitCode, ...streams };
  } finally {
    process.exitCode = 0;
    for (const spy of spies) spy.mockRestore();
  }
}

/** Holds Dawn's instance for a file whose commands open devices in this process: a second instance can abort it. */
export function keepAdapter(choice?: AdapterChoice): void {
  let release = (): void => undefined;
  beforeAll(async () => {
    const opened = await openAdapter(choice);
    release = () => opened.release();
  });
  afterAll(() => release());
}

/** Writes a list of a data set's pictures without its testing split: a run on them ends without scoring and drawing them, which takes a second. */
export async function writeListWithoutTest(data: string, file: string): Promise<void> {
  const { items } = await openDataset(data, { valFraction: 0.15, seed: 42 });
  await writeMetadata(
    file,
    items.filter(({ split }) => split !== 'test'),
  );
}
