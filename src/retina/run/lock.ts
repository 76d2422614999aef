/** One process per folder: a lock file that names its holder and is touched while that lives; it is taken over when the holder is dead. */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  linkSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { type ErrorCode, GmtlError } from '../../engine/errors.ts';
import { describeWriteError, errorCode } from '../../engine/node/atomic.ts';
import { RUN_FILES } from './fileNames.ts';

const holderSchema = z.object({
  pid: z.int().positive(),
  host: z.string(),
  /** Start of the process in clock ticks since boot (Linux), to tell it from a later one with the same number. */
  processStart: z.string().nullable(),
  /** In which processes have these numbers, see {@link processSpace}; absent: the host's name alone tells. */
  space: z.string().nullable().optional(),
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
  /** What becomes of a lock of another machine: it is refused at once, or watched for signs of life as one of another container is. */
  readonly elsewhere: 'refuse' | 'watch';
  /** Told that a lock is watched, which takes up to a minute. */
  readonly note: (text: string) => void;
}

/** Milliseconds. */
export interface LockTimes {
  /** Between two signs of life: the holder touches its lock. */
  readonly beat: number;
  /** Without a sign of life after which a holder whose process cannot be seen from here counts as dead. */
  readonly silent: number;
}

const TIMES: LockTimes = { beat: 5000, silent: 60_000 };

/** Milliseconds for which a lock counts as had where it is asked for thousands of times per second. */
export const LOCK_WITHIN = 1000;

export interface RunLock {
  /**
   * Makes sure that the lock is this process's still: one that was held up for a minute may have lost it to another machine's or container's.
   * @param within milliseconds: an answer that is not older will do. Default 0: the file is read.
   * @throws GmtlError the lock's code, naming who has it.
   */
  confirm(within?: number): void;
  /** Deletes the lock, if it is still this process's. Releasing twice is fine. */
  release(): void;
}

/** Takes the lock of a run folder (which must exist). @throws GmtlError `run/locked`, and as {@link acquireLock}. */
export function acquireRunLock(runFolder: string): Promise<RunLock> {
  return acquireLock(join(runFolder, RUN_FILES.lock), {
    code: 'run/locked',
    doing: 'training into this run',
    instead: 'train into another folder',
    elsewhere: 'refuse',
    note: console.error,
  });
}

/**
 * Takes the lock that is a file, in a folder that must exist. A lock whose process here has died is taken over at once; one whose process cannot be seen
 * from here (see {@link processSpace}), once nothing has touched it for a while, which is waited for.
 * @throws GmtlError `use.code` naming the holder, `run/lock-damaged`, or as {@link describeWriteError}.
 */
export async function acquireLock(path: string, use: LockUse, times: LockTimes = TIMES): Promise<RunLock> {
  const holder: Holder = {
    pid: process.pid,
    host: hostname(),
    processStart: processStart(process.pid),
    space: processSpace(),
    since: new Date().toISOString(),
    token: randomUUID(),
  };
  const content = `${JSON.stringify(holder)}\n`;
  // Written whole under another name and then linked: a link fails when the lock exists, and nobody ever reads half a lock.
  const draft = `${path}.${holder.token}`;
  try {
    writeFileSync(draft, content, { flag: 'wx' });
    while (!tryLink(draft, path, content)) await removeIfStale(path, draft, use, times);
  } catch (error) {
    throw describeWriteError(error, path);
  } finally {
    rmSync(draft, { force: true });
  }
  const beating = setInterval(() => {
    try {
      if (readIfPresent(path) === content) utimesSync(path, new Date(), new Date());
    } catch (error) {
      // A network mount that is away for a moment: the next one, or confirm(), sees.
      if (errorCode(error) === undefined) throw error;
    }
  }, times.beat).unref();
  let confirmedAt = performance.now();
  return {
    confirm(within = 0) {
      if (within > 0 && performance.now() - confirmedAt <= within) return;
      const found = readIfPresent(path);
      if (found !== content) throw lostTo(found, path, use);
      confirmedAt = performance.now();
    },
    release() {
      clearInterval(beating);
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
async function removeIfStale(path: string, draft: string, use: LockUse, times: LockTimes): Promise<void> {
  const sight = sightOf(path);
  if (sight === undefined) return;
  const { content } = sight;
  const holder = parseHolder(content, path);
  const who = `${nameOf(holder)} has been ${use.doing} since ${holder.since}`;
  const alive = () => new GmtlError(use.code, `${path}: ${who}. Wait for it, stop it, or ${use.instead}.`);
  if (isSeenHere(holder)) {
    if (isAlive(holder)) throw alive();
  } else if (holder.host !== hostname() && use.elsewhere === 'refuse') {
    const advice = `This machine cannot see whether it still runs: if it does not, delete ${path}.`;
    throw new GmtlError(use.code, `${path}: ${who}. ${advice}`);
  } else {
    use.note(
      `${path}: ${who}. Whether it still runs cannot be seen from here: waiting up to ${times.silent / 1000} s for a sign of life.`,
    );
    const later = await watch(path, sight, times);
    // It was given back, or somebody else has it: look again.
    if (later?.content !== content) return;
    if (later.touched !== sight.touched) throw alive();
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

const nameOf = ({ pid, host }: Holder): string => `process ${pid}${host === hostname() ? '' : ` on ${host}`}`;

function lostTo(found: string | undefined, path: string, { code, doing }: LockUse): GmtlError {
  const who = found === undefined ? 'somebody deleted it' : `${nameOf(parseHolder(found, path))} has it now`;
  return new GmtlError(
    code,
    `${path}: this process lost its lock while ${doing} (${who}), and writes nothing more. Run it again once the other has ended.`,
  );
}

/** A lock as it was seen. */
interface Sight {
  readonly content: string;
  /** When it was touched last, by its file system's clock, which may be any: only whether it changes counts. */
  readonly touched: number;
}

/** Opened anew each time: network file systems then ask their server. */
function sightOf(path: string): Sight | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    return { content: readFileSync(file, 'utf8'), touched: fstatSync(file).mtimeMs };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Waits until a lock looks otherwise than it did, or has been silent for long enough. @returns how it looks then. */
async function watch(path: string, before: Sight, { beat, silent }: LockTimes): Promise<Sight | undefined> {
  const end = performance.now() + silent;
  for (;;) {
    await wait(Math.min(beat / 5, silent));
    const now = sightOf(path);
    if (now?.content !== before.content || now.touched !== before.touched || performance.now() >= end) return now;
  }
}

/** Whether a holder's process number means here what it means there. */
const isSeenHere = ({ host, space }: Holder): boolean =>
  host === hostname() && (space === undefined || space === processSpace());

/** What a process number belongs to: this start of the machine and, in a container, its own numbering (pid_namespaces(7)). Null off Linux. */
function processSpace(): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return null;
  }
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
