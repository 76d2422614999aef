/** The file that `gmtl tune` keeps its winners in: one per adapter and driver, in the cache folder. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { cacheFolder } from './cacheFolder.ts';
import { GmtlError } from '../errors.ts';
import type { TunedEntry } from '../tuning/tune.ts';
import { type AdapterInfo, readAdapterInfo } from '../gpu/classify.ts';
import { errorCode, writeFileAtomic } from './atomic.ts';
import { kernelsHash } from './kernelsHash.ts';

const FORMAT = 1;

const entrySchema: z.ZodType<TunedEntry> = z.strictObject({
  call: z.string().min(1),
  version: z.string().min(1).nullable(),
  milliseconds: z.number().nonnegative(),
  defaultMilliseconds: z.number().nonnegative(),
});

const fileSchema = z.strictObject({
  format: z.literal(FORMAT),
  gmtl: z.string(),
  adapter: z.string(),
  driver: z.string(),
  /** `kernelsHash` of the kernels that were measured. */
  kernels: z.string(),
  measured: z.string(),
  entries: z.array(entrySchema),
});

export interface TunedFile {
  readonly path: string;
  /** `absent`; `unusable`: damaged, foreign, or of other kernels (see `note`); `off`: ignored by GMTL_TUNE. */
  readonly state: 'used' | 'absent' | 'unusable' | 'off';
  readonly entries: readonly TunedEntry[];
  /** Calls that run in another version than without tuning, for a backend's `tuned`. */
  readonly tuned: ReadonlyMap<string, string>;
  /** Why the file is not used, and what to do; null where there is nothing to say. */
  readonly note: string | null;
}

/** Where the winners for an adapter and driver lie; `root`: of the cache. */
export function tunedPath(info: AdapterInfo, root?: string): string {
  const { vendor, architecture, device, description } = info;
  const digest = createHash('sha256')
    .update(JSON.stringify([vendor, architecture, device, description]))
    .digest('hex');
  const name = (device || architecture || vendor || 'adapter').replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '');
  return join(cacheFolder('tuned', root), `${name.slice(0, 40)}-${digest.slice(0, 12)}.json`);
}

/** Reads the winners for an adapter. A file that cannot be used is reported in `note` and never thrown: the defaults always work. */
export function loadTuned(
  adapter: GPUAdapterInfo,
  options: {
    readonly folder?: string;
    readonly environment?: Readonly<Record<string, string | undefined>>;
    readonly kernels?: string;
  } = {},
): TunedFile {
  const { environment = process.env } = options;
  const path = tunedPath(readAdapterInfo(adapter), options.folder);
  const none = { path, entries: [], tuned: new Map<string, string>() };
  const setting = environment.GMTL_TUNE;
  if (setting === 'off') return { ...none, state: 'off', note: null };
  if (setting !== undefined && setting !== '' && setting !== 'on') {
    throw new GmtlError('tune/setting', `GMTL_TUNE is "${setting}": set it to on or off, or leave it out`);
  }
  const unusable = (why: string): TunedFile => ({
    ...none,
    state: 'unusable',
    note: `the tuned kernels in ${path} are not used: ${why}. Run gmtl tune again, or delete the file`,
  });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    return code === 'ENOENT' ? { ...none, state: 'absent', note: null } : unusable(`it cannot be read (${code})`);
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return unusable('it is not valid JSON');
  }
  const parsed = fileSchema.safeParse(content);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return unusable(
      `it is damaged or of another version of gmtl (${issue.path.join('.') || 'file'}: ${issue.message})`,
    );
  }
  const { kernels, entries } = parsed.data;
  if (kernels !== (options.kernels ?? kernelsHash()))
    return unusable('they were measured with other kernels than these');
  const tuned = new Map(entries.flatMap(({ call, version }) => (version === null ? [] : [[call, version] as const])));
  return { path, state: 'used', entries, tuned, note: null };
}

/**
 * Adds winners to an adapter's file, in place of those of the same calls; a file of other kernels, or one that cannot be read, is replaced.
 * @returns what the file holds now.
 * @throws GmtlError `io/…` where it cannot be written.
 */
export async function saveTuned(
  adapter: GPUAdapterInfo,
  winners: readonly TunedEntry[],
  options: { readonly gmtl: string; readonly folder?: string; readonly kernels?: string },
): Promise<TunedFile> {
  const known = loadTuned(adapter, { ...options, environment: {} });
  const entries = new Map(known.entries.map((entry) => [entry.call, entry]));
  for (const winner of winners) entries.set(winner.call, winner);
  const { device, description } = readAdapterInfo(adapter);
  const content: z.output<typeof fileSchema> = {
    format: FORMAT,
    gmtl: options.gmtl,
    adapter: device,
    driver: description,
    kernels: options.kernels ?? kernelsHash(),
    measured: new Date().toISOString(),
    entries: [...entries.values()].sort((a, b) => (a.call < b.call ? -1 : 1)),
  };
  await writeFileAtomic(known.path, `${JSON.stringify(content, null, 1)}\n`);
  return loadTuned(adapter, { ...options, environment: {} });
}
