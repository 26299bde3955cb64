import { DatabaseError } from '../errors.js';
import { readFrames } from './frame.js';
import type { LogFile, Storage } from './storage.js';

interface RecoveryOptions {
  readonly storage: Storage;
  /** The name of the log, for messages. */
  readonly name: string;
  /** Cut off damage before durable data instead of refusing to open. */
  readonly isRepairing?: boolean;
  /** A damaged tail was cut off. */
  onProblem(message: string): void;
}

/**
 * Visits the payloads of a log. A damaged tail, which a crash can leave, was never durable: it is cut off and kept in a
 * separate file.
 * @throws DatabaseError when durable data is damaged and `isRepairing` is not set
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
      `${where}, before data that had reached the disk: restore a backup, or start with --repair to drop everything after it`,
    );
  }
  const keptAs = `${name}.damaged-${goodSize}`;
  storage.saveDamaged(keptAs, file.read(goodSize, file.size - goodSize));
  file.truncate(goodSize);
  onProblem(`${where}: the log was truncated there; the rest is kept in ${keptAs}`);
}
