import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LOCK_NAME = 'lock';

/** A running process, told apart from a later one of the same number. */
interface Owner {
  readonly pid: number;
  readonly startedAt: string;
}

/** Gives the directory to the next one. */
export type ReleaseLock = () => void;

/**
 * Makes this process the one owner of a data directory. A lock left by a process that no longer runs is taken over.
 * @throws Error naming the owner's pid
 */
export function lockDirectory(directory: string): ReleaseLock {
  const path = join(directory, LOCK_NAME);
  const own: Owner = { pid: process.pid, startedAt: statusOf(process.pid)?.startedAt ?? '' };
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(own), { mode: 0o600 });
  try {
    // A link appears with its content, or not at all when there is one already.
    while (!tryLink(draft, path)) takeOver(directory, path);
  } finally {
    rmSync(draft, { force: true });
  }
  return function releaseLock() {
    if (readOwner(path)?.pid === process.pid) rmSync(path, { force: true });
  };
}

function tryLink(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function takeOver(directory: string, path: string): void {
  const owner = readOwner(path);
  if (owner && isRunning(owner)) {
    throw new Error(`The data directory ${directory} is in use by the process with the pid ${owner.pid}`);
  }
  // Renamed before it is deleted: of two who find it abandoned, one gets it, and the other looks again.
  const aside = `${path}.abandoned-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = readOwner(aside);
  if (moved && isRunning(moved)) renameSync(aside, path);
  else rmSync(aside, { force: true });
}

function readOwner(path: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

function isRunning({ pid, startedAt }: Owner): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const status = statusOf(pid);
  if (status === undefined) return true;
  return !status.hasEnded && (startedAt === '' || startedAt === status.startedAt);
}

/** What the system tells of a process; undefined where it does not. */
function statusOf(pid: number): { startedAt: string; hasEnded: boolean } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name, in parentheses, may hold anything; behind it come the state and, 20th, the start time.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    // A zombie waits for its parent to take note of its end, which in a container may never happen.
    return { startedAt: `${boot}-${fields[19]}`, hasEnded: fields[0] === 'Z' || fields[0] === 'X' };
  } catch {
    return undefined;
  }
}
