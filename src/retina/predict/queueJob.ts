/** One job of the queue: how a picture is put in, and what a worker accepts. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { z } from 'zod';
import { GmtlError } from '../../engine/errors.ts';
import type { InferInput } from './inputs.ts';
import { entrySchema } from './manifest.ts';

/** How often a job that throws is tried, and the wait before the second try; it doubles from there. */
const RETRIES = { attempts: 3, backoff: { type: 'exponential', delay: 1000 } };

/** A picture as a job. One that is put in again (path, id and frame) has the same id, and the queue keeps one. */
export function jobOf({ path, name, entry, frame }: InferInput) {
  const absolute = resolve(path);
  const jobId = createHash('sha256')
    .update(JSON.stringify([absolute, entry?.id ?? null, frame ?? null]))
    .digest('hex');
  // Several lists may have pictures of one name: their results lie in one folder. A backslash is a letter of a name here, and not to every worker.
  const data: InferInput = {
    path: absolute,
    name: `${name.replaceAll('\\', '_')}_${jobId.slice(0, 8)}`,
    ...(entry && { entry }),
    ...(frame && { frame }),
  };
  return { name: 'picture', data, opts: { jobId, ...RETRIES } };
}

/** A name is the stem of result files, so it must not lead out of their folder. */
const jobSchema = z.object({
  path: z.string().min(1),
  name: z
    .string()
    .min(1)
    .refine((name) => !/[/\\\0]/.test(name) && name !== '.' && name !== '..', 'must be a file name, without folders'),
  frame: z.int().positive().optional(),
  entry: entrySchema.omit({ path: true }).optional(),
});

/** The picture of a job, which anybody who reaches the server may have put in. @throws GmtlError `infer/queue` saying what is wrong. */
export function parseJob(data: unknown): InferInput {
  const { success, data: job, error } = jobSchema.safeParse(data);
  if (!success) {
    const faults = error.issues.map(({ path, message }) => [...path, message].join(': '));
    throw new GmtlError('infer/queue', `no job of gmtl enqueue (${faults.join('; ')}): remove it from the queue`);
  }
  const { path, name, frame, entry } = job;
  return { path, name, ...(frame !== undefined && { frame }), ...(entry && { entry }) };
}
