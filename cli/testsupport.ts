/** For tests: a command in the test's own process. */
import { vi } from 'vitest';
import { gmtl } from './gmtl.ts';

/** How a command ended and what it printed. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in this process, in a tenth of a program's time: for what is refused before an adapter is opened. */
export async function gmtlHere(...words: string[]): Promise<Outcome> {
  const streams = { stdout: '', stderr: '' };
  const into = (stream: keyof typeof streams) => (text: unknown) => {
    streams[stream] += `${String(text)}\n`;
  };
  const spies = [
    vi.spyOn(console, 'log').mockImplementation(into('stdout')),
    vi.spyOn(console, 'error').mockImplementation(into('stderr')),
    vi.spyOn(console, 'warn').mockImplementation(into('stderr')),
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
