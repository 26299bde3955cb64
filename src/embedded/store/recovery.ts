import { DatabaseError } from '../errors.js';
import { readFrames } from './frame.js';
import type { LogFile, Storage } from './storage.js';

/** What was found in a log. */
export interface LogReview {
  readonly frameCount: number;
  /** The size of the part without damage. */
  readonly goodSize: number;
  /** What is wrong, as a sentence. */
  readonly damage: string | undefined;
  /** Whether durable data is lost: a later frame or the size record proves that it was on disk. */
  readonly isDurableDataLost: boolean;
}

/** A log to review. */
export interface ReviewedLog {
  readonly file: LogFile;
  /** The name of the log, for messages. */
  readonly name: string;
  /** From the size record; `undefined` when it is missing or damaged. */
  readonly recordedSize: number | undefined;
}

/** Reads all frames of a log, and visits the payloads up to the first damaged one. Changes nothing. */
export function reviewLog(
  { file, name, recordedSize = 0 }: ReviewedLog,
  visit: (payload: Buffer) => void = () => {},
): LogReview {
  const { frameCount, goodSize, isPromisedDataLost } = readFrames(file, visit);
  const isDurableDataLost = isPromisedDataLost || recordedSize > goodSize;
  const isWhole = goodSize === file.size;
  const damage =
    isWhole && !isDurableDataLost
      ? undefined
      : isWhole
        ? `${name} was cut: it has ${file.size} of at least ${recordedSize} bytes`
        : `${name} is damaged at byte ${goodSize} of ${file.size}`;
  const isInside = isDurableDataLost && !isWhole;
  return {
    frameCount,
    goodSize,
    isDurableDataLost,
    damage: isInside ? `${damage}, before data that had reached the disk` : damage,
  };
}

interface RecoveryOptions {
  readonly storage: Storage;
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
  const recorded = storage.sizeRecord.read();
  if (recorded === 'damaged') onProblem(`the record of the size of ${name} is damaged and is written again`);
  const recordedSize = recorded === 'damaged' ? undefined : recorded;
  const { damage, goodSize, isDurableDataLost } = reviewLog({ file, name, recordedSize }, visit);
  if (damage === undefined) return;
  if (isDurableDataLost && !isRepairing) {
    throw new DatabaseError(
      'InternalError',
      `${damage}: restore a backup, or start with --repair to continue without what is lost`,
    );
  }
  if (goodSize === file.size) {
    onProblem(damage);
    return;
  }
  const keptAs = `${name}.damaged-${goodSize}`;
  storage.saveDamaged(keptAs, file.read(goodSize, file.size - goodSize));
  file.truncate(goodSize);
  onProblem(`${damage}: the log was truncated there; the rest is kept in ${keptAs}`);
}
