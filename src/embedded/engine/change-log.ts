import type { Timestamp } from 'bson';
import { fail } from '../errors.js';
import type { Change, Collection } from './collection.js';

/** A change of one document that was committed. An insert has no `before`, a delete has no `after`. */
export interface LoggedChange extends Pick<Change, 'before' | 'after'> {
  readonly database: string;
  readonly name: string;
  readonly time: Timestamp;
  /** Among the changes of one commit, which have the same time. */
  readonly place: number;
  readonly byteLength: number;
}

/** Beyond either the oldest changes are dropped. Each keeps a document before a change in memory. */
const CHANGES_MAX = 20_000;
const BYTES_MAX = 32 * 1024 * 1024;
/** Dropped changes are removed from the list together. */
const REMOVED_TOGETHER = 1000;

/** The last changes in memory, for change streams: what the oplog is to MongoDB. */
export class ChangeLog {
  readonly #changes: LoggedChange[] = [];
  /** The index of the first change that counts. */
  #first = 0;
  #bytes = 0;
  /** Of the last change that was dropped, or happened before the start. */
  #lostUpTo: Timestamp | undefined;

  /** Changes up to this time are not known. */
  forget(time: Timestamp): void {
    this.#lostUpTo = time;
  }

  /** Records the changes of a commit. @returns takes them back, as the last ones */
  record(
    time: Timestamp,
    changes: readonly { readonly collection: Collection; readonly change: Change }[],
  ): () => void {
    for (const [place, { collection, change }] of changes.entries()) {
      const { before, after, byteLength } = change;
      const { database, name } = collection;
      this.#changes.push({ database, name, before, after, time, place, byteLength });
      this.#bytes += byteLength;
    }
    while (this.#changes.length - this.#first > CHANGES_MAX || this.#bytes > BYTES_MAX) this.#drop();
    return () => {
      while (this.#changes.at(-1)?.time === time) this.#bytes -= this.#changes.pop()?.byteLength ?? 0;
      this.#first = Math.min(this.#first, this.#changes.length);
    };
  }

  /** The changes from a time on, in their order. @throws DatabaseError ChangeStreamHistoryLost when some are not kept */
  since(time: Timestamp): readonly LoggedChange[] {
    if (this.#lostUpTo?.greaterThanOrEqual(time) === true) {
      fail(
        'ChangeStreamHistoryLost',
        'Resume of change stream was not possible, as the resume point may no longer be in the oplog.',
      );
    }
    let from = this.#changes.length;
    while (from > this.#first && this.#changes[from - 1]?.time.greaterThanOrEqual(time) === true) from -= 1;
    return this.#changes.slice(from);
  }

  #drop(): void {
    const dropped = this.#changes[this.#first];
    if (dropped === undefined) return;
    this.#lostUpTo = dropped.time;
    this.#bytes -= dropped.byteLength;
    this.#first += 1;
    if (this.#first < REMOVED_TOGETHER) return;
    this.#changes.splice(0, this.#first);
    this.#first = 0;
  }
}
