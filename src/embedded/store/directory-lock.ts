import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LOCK_NAME = 'lock';

/** The owner of a directory. The start time distinguishes it from a later process with the same pid. */
interface Owner {
  readonly pid: number;
  readonly startedAt: string;
}

/** Releases the lock of a directory. */
export type ReleaseLock = () => void;

/**
 * Locks a data directory for this process. The lock of a process that no longer runs is taken over.
 * @throws Error with `code` DIRECTORY_IN_USE, naming the pid of the owner
 */
export function lockDirectory(directory: string): ReleaseLock {
  const path = join(directory, LOCK_NAME);
  const own: Owner = { pid: process.pid, startedAt: statusOf(process.pid)?.startedAt ?? '' };
  const draft = `${path}.${process.pid}`;
  try {
    writeFileSync(draft, JSON.stringify(own), { mode: 0o600 });
    // Creating a link is atomic: it appears with its content, or fails when the lock exists.
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
    const message = `The data directory ${directory} is in use by the process with the pid ${owner.pid}`;
    throw Object.assign(new Error(message), { code: 'DIRECTORY_IN_USE' });
  }
  // Of two processes that find the lock abandoned, only one can rename it. The other tries again.
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
    // EPERM: the process runs as another user.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const status = statusOf(pid);
  if (status === undefined) return true;
  return !status.hasEnded && (startedAt === '' || startedAt === status.startedAt);
}

/** The start time and state of a process; undefined on systems without `/proc`. */
function statusOf(pid: number): { startedAt: string; hasEnded: boolean } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the command, in parentheses, can contain any character. The state follows, and as 20th field the start time.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    // A zombie has ended but was not reaped by its parent, which may never happen in a container.
    return { startedAt: `${boot}-${fields[19]}`, hasEnded: fields[0] === 'Z' || fields[0] === 'X' };
  } catch {
    return undefined;
  }
}
