/** One process per folder: a lock file that names its holder, and is taken over when the holder is dead. */
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type ErrorCode, GmtlError } from '../../engine/errors.ts';
import { describeWriteError, errorCode } from '../../engine/node/atomic.ts';
import { RUN_FILES } from './fileNames.ts';

const holderSchema = z.object({
  pid: z.int().positive(),
  host: z.string(),
  /** Start of the process in clock ticks since boot (Linux), to tell it from a later one with the same number. */
  processStart: z.string().nullable(),
  since: z.string(),
  token: z.string(),
});
type Holder = z.infer<typeof holderSchema>;

/** What a lock is for, in the words of its messages. */
export interface LockUse {
  /** Code of the error where another process has it. */
  readonly code: ErrorCode;
  /** As in "process 7 has been … since". */
  readonly doing: string;
  /** What else can be done, as in "Wait for it, stop it, or …". */
  readonly instead: string;
  /** Told of a lock of another machine, which is then taken over. Default: it is refused, because nobody here sees whether that process lives. */
  readonly onElsewhere?: (note: string) => void;
}

export interface RunLock {
  /** Deletes the lock, if it is still this process's. Releasing twice is fine. */
  release(): void;
}

/** Takes the lock of a run folder (which must exist). @throws GmtlError `run/locked`, and as {@link acquireLock}. */
export function acquireRunLock(runFolder: string): RunLock {
  return acquireLock(join(runFolder, RUN_FILES.lock), {
    code: 'run/locked',
    doing: 'training into this run',
    instead: 'train into another folder',
  });
}

/**
 * Takes the lock that is a file, in a folder that must exist. A lock whose process on this host has died is taken over.
 * @throws GmtlError `use.code` naming the holder, `run/lock-damaged`, or as {@link describeWriteError}.
 */
export function acquireLock(path: string, use: LockUse): RunLock {
  const holder: Holder = {
    pid: process.pid,
    host: hostname(),
    processStart: processStart(process.pid),
    since: new Date().toISOString(),
    token: randomUUID(),
  };
  const content = `${JSON.stringify(holder)}\n`;
  // Written whole under another name and then linked: a link fails when the lock exists, and nobody ever reads half a lock.
  const draft = `${path}.${holder.token}`;
  try {
    writeFileSync(draft, content, { flag: 'wx' });
    while (!tryLink(draft, path, content)) removeIfStale(path, draft, use);
  } catch (error) {
    throw describeWriteError(error, path);
  } finally {
    rmSync(draft, { force: true });
  }
  return {
    release() {
      if (readIfPresent(path) === content) rmSync(path, { force: true });
    },
  };
}

/** What file systems without hard links (exFAT, many network mounts) answer; some say "no permission". */
const NO_LINKS: readonly (string | undefined)[] = [
  'EPERM',
  'EACCES',
  'ENOSYS',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EXDEV',
  'EMLINK',
  'EINVAL',
];

/** Links the draft to the lock's place, or creates the lock there where links cannot be had; false where it exists. */
function tryLink(draft: string, path: string, content: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    if (!NO_LINKS.includes(errorCode(error))) throw error;
  }
  try {
    // Exclusive too; only, a reader in the same instant may see it empty and call it damaged.
    writeFileSync(path, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Returns when the lock may be tried again; throws when its holder lives. */
function removeIfStale(path: string, draft: string, { code, doing, instead, onElsewhere }: LockUse): void {
  const content = readIfPresent(path);
  if (content === undefined) return;
  const holder = parseHolder(content, path);
  const isHere = holder.host === hostname();
  const who = `process ${holder.pid}${isHere ? '' : ` on ${holder.host}`} has been ${doing} since ${holder.since}`;
  if (!isHere) {
    const why = 'This machine cannot see whether it still runs';
    if (onElsewhere) onElsewhere(`${path}: ${who}. ${why}: if it does, stop one of the two.`);
    else throw new GmtlError(code, `${path}: ${who}. ${why}: if it does not, delete ${path}.`);
  } else if (isAlive(holder)) {
    throw new GmtlError(code, `${path}: ${who}. Wait for it, stop it, or ${instead}.`);
  }
  // Another process may have judged the same lock and replaced it meanwhile: move it aside, look, and give back what was not meant.
  const aside = `${draft}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  const moved = readFileSync(aside, 'utf8');
  if (moved !== content) tryLink(aside, path, moved);
  rmSync(aside, { force: true });
}

function parseHolder(content: string, path: string): Holder {
  try {
    return holderSchema.parse(JSON.parse(content));
  } catch (cause) {
    const advice = 'Make sure that no other process uses the folder, then delete the file.';
    throw new GmtlError('run/lock-damaged', `${path}: not a lock file of gmtl. ${advice}`, { cause });
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    if (errorCode(error) === 'ESRCH') return false;
  }
  const start = processStart(holder.pid);
  return holder.processStart === null || start === null || start === holder.processStart;
}

/** Field 22 of /proc/<pid>/stat (proc(5)); the second field, the name, may hold spaces and parentheses. Null off Linux. */
function processStart(pid: number): string | null {
  const stat = readIfPresent(`/proc/${pid}/stat`);
  if (stat === undefined) return null;
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = errorCode(error);
    // ESRCH: the process ended while its /proc file was being read.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ESRCH') return undefined;
    throw error;
  }
}
