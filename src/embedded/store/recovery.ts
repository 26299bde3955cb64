import { DatabaseError } from '../errors.js';
import { readFrames } from './frame.js';
import type { LogFile, Storage } from './storage.js';

interface RecoveryOptions {
  readonly storage: Storage;
  /** Of the log, as it is said when something is wrong with it. */
  readonly name: string;
  /** Cut damaged data that had been promised, instead of refusing to open. */
  readonly isRepairing?: boolean;
  /** A tail was cut off. */
  onProblem(message: string): void;
}

/**
 * Hands over what a log holds, and cuts off what a crash has left at its end: it was never promised. What was cut off is
 * kept in a file of its own.
 * @throws DatabaseError when data that had been on disk is damaged, and `isRepairing` is not set
 */
export function recover(
  file: LogFile,
  { storage, name, isRepairing = false, onProblem }: RecoveryOptions,
  visit: (payload: Buffer) => void,
): void {
  const { goodSize, isPromisedDataLost } = readFrames(file, visit);
  if (goodSize === file.size) return;
  const where = `${name} is damaged at byte ${goodSize} of ${file.size}`;
  if (isPromisedDataLost && !isRepairing) {
    throw new DatabaseError(
      'InternalError',
      `${where}, before data that had reached the disk: restore a backup, or start with --repair to lose all after it`,
    );
  }
  const keptAs = `${name}.damaged-${goodSize}`;
  storage.keepAside(keptAs, file.read(goodSize, file.size - goodSize));
  file.truncate(goodSize);
  onProblem(`${where}: cut there; what was cut off is kept in ${keptAs}`);
}
