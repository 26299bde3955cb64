import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { StartError } from './start-error.js';

const ELSEWHERE = 'or set DATA_DIR to another directory';

/** What is wrong with a directory, by the code of the system's error. */
const PROBLEMS: Readonly<Record<string, string>> = {
  EROFS: `is on a read-only file system: mount it writable, ${ELSEWHERE}`,
  EACCES: `cannot be read and written by the user of this process: change its owner, ${ELSEWHERE}`,
  EPERM: `cannot be read and written by the user of this process: change its owner, ${ELSEWHERE}`,
  ENOSPC: `is on a full disk: make room, ${ELSEWHERE}`,
  EDQUOT: `has used up its quota: make room, ${ELSEWHERE}`,
  ENOTDIR: 'is not a directory: set DATA_DIR to one',
  EEXIST: 'is not a directory: set DATA_DIR to one',
  ENOENT: 'cannot be created, because its file system takes no directories: set DATA_DIR to another directory',
  EIO: 'cannot be read and written: its disk reports errors (EIO)',
};

/**
 * Makes a directory and those that lead to it, for its owner only. `recursive` of Node.js never returns where the system answers
 * ENOENT below a directory that exists, as in `/proc`.
 * @throws Error with the `code` of the system
 */
export function makeDirectory(path: string): void {
  const parent = dirname(path);
  if (!existsSync(parent)) makeDirectory(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST' && statSync(path).isDirectory();
    if (!isThere) throw error;
  }
}

/** Why a directory could not be made: Node.js reports ENOENT for a read-only file system when it makes several at once. */
function reasonOfMissing(path: string): unknown {
  let existing = path;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  try {
    accessSync(existing, constants.W_OK);
    return 'ENOENT';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

/** Errors of the files in `DATA_DIR` as a sentence with the remedy. */
export function toDataDirectoryError(error: unknown, directory: string): StartError {
  const { code, message } = error as { code?: unknown; message?: string };
  const path = resolve(directory);
  if (code === 'DIRECTORY_IN_USE') {
    const remedy = `stop that process, ${ELSEWHERE}`;
    return new StartError('DATA_DIRECTORY_IN_USE', `${message}: ${remedy}.`, { cause: error });
  }
  const problem = PROBLEMS[String(code === 'ENOENT' ? reasonOfMissing(path) : code)];
  if (problem === undefined) return new StartError('DATA_DIRECTORY', `DATA_DIR ${path} cannot be used: ${message}`);
  return new StartError('DATA_DIRECTORY', `DATA_DIR ${path} ${problem}.`, { cause: error });
}
