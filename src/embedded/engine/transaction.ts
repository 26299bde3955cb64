import type { Document } from '../bson/values.js';
import { DatabaseError } from '../errors.js';
import type { Change, Collection } from './collection.js';
import type { LockOwner } from './lock.js';

/** What a transaction may write, in bytes as BSON. */
export const MAX_TRANSACTION_BYTES = 128 * 1024 * 1024;

/** What a transaction sees of a collection: what others changed since it began, undone, and its own writes on top. */
interface Perspective {
  /** By key, the document as it was when the transaction began, for all that changed since. */
  readonly snapshot: Map<string, Document | undefined>;
  /** How far the collection's history has been taken into `snapshot`. */
  position: number;
  readonly writes: Map<string, Change>;
}

/** The error that makes a driver run the whole transaction again. */
export function createWriteConflict(reason: string): DatabaseError {
  const error = new DatabaseError(
    'WriteConflict',
    `Caused by :: Write conflict during plan execution and yielding is disabled. :: ${reason}. Please retry your operation or multi-document transaction.`,
  );
  error.errorLabels.push('TransientTransactionError');
  return error;
}

/**
 * A transaction over several documents: it reads the state of the moment it began, keeps its writes to itself until it
 * commits, and owns what it wrote, so that the first writer wins and a second one is told to try again.
 */
export class Transaction implements LockOwner {
  /** Changes up to this stamp are seen. */
  readonly stamp: number;
  readonly ended: Promise<void>;
  byteLength = 0;
  isOpen = true;
  /** Collections that came into being for it, and go with it when it is aborted. */
  readonly created: Collection[] = [];
  readonly #perspectives = new Map<Collection, Perspective>();
  readonly #locked: { collection: Collection; name: string }[] = [];
  #end: () => void = () => {};

  constructor(stamp: number) {
    this.stamp = stamp;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /**
   * What differs, for this transaction, from the collection's committed state: per key the document to see instead.
   * @returns undefined when nothing differs
   */
  overlayOf(collection: Collection): ReadonlyMap<string, Document | undefined> | undefined {
    const perspective = this.#perspectiveOf(collection);
    if (perspective.writes.size === 0) return perspective.snapshot.size === 0 ? undefined : perspective.snapshot;
    const overlay = new Map(perspective.snapshot);
    for (const [key, { after }] of perspective.writes) overlay.set(key, after);
    return overlay;
  }

  /** The document this transaction sees under a key. */
  documentOf(collection: Collection, key: string): Document | undefined {
    const { writes, snapshot } = this.#perspectiveOf(collection);
    const write = writes.get(key);
    if (write) return write.after;
    return snapshot.has(key) ? snapshot.get(key) : collection.records.get(key)?.document;
  }

  /** The transaction's own write under a key, if it has made one. */
  writeOf(collection: Collection, key: string): Change | undefined {
    return this.#perspectives.get(collection)?.writes.get(key);
  }

  writesOf(collection: Collection): ReadonlyMap<string, Change> {
    return this.#perspectiveOf(collection).writes;
  }

  /** Whether someone else has committed a change of the key since this transaction began. */
  isOvertaken(collection: Collection, key: string): boolean {
    return this.#perspectiveOf(collection).snapshot.has(key);
  }

  /** Documents (as seen at the beginning) that others changed since; what a unique key must be compared with too. */
  snapshotOf(collection: Collection): ReadonlyMap<string, Document | undefined> {
    return this.#perspectiveOf(collection).snapshot;
  }

  /** @throws DatabaseError WriteConflict when another transaction owns the name */
  lock(collection: Collection, name: string): void {
    const owner = collection.locks.get(name);
    if (owner === this) return;
    if (owner) throw createWriteConflict('another transaction has written the document');
    collection.locks.set(name, this);
    this.#locked.push({ collection, name });
  }

  /** Keeps a write to be made at commit; a later one of the same document takes its place. */
  stage(collection: Collection, change: Change): void {
    const { writes } = this.#perspectiveOf(collection);
    const earlier = writes.get(change.key);
    this.byteLength += change.byteLength - (earlier?.byteLength ?? 0);
    const before = earlier ? earlier.before : change.before;
    writes.delete(change.key);
    writes.set(change.key, { ...change, before });
  }

  /** All writes, in the order of the collections' first use. */
  *changes(): Iterable<{ collection: Collection; change: Change }> {
    for (const [collection, { writes }] of this.#perspectives) {
      for (const change of writes.values()) {
        // Inserted and deleted again: nothing to do.
        if (change.before !== undefined || change.after !== undefined) yield { collection, change };
      }
    }
  }

  /** Lets go of everything and wakes who waits. */
  end(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const { collection, name } of this.#locked) collection.locks.delete(name);
    this.#perspectives.clear();
    this.#end();
  }

  #perspectiveOf(collection: Collection): Perspective {
    let perspective = this.#perspectives.get(collection);
    if (!perspective) {
      perspective = { snapshot: new Map(), position: collection.historyStart, writes: new Map() };
      this.#perspectives.set(collection, perspective);
    }
    const { history, historyStart } = collection;
    let position = Math.max(perspective.position - historyStart, 0);
    for (; position < history.length; position += 1) {
      const entry = history[position];
      if (entry && entry.stamp > this.stamp && !perspective.snapshot.has(entry.key)) {
        perspective.snapshot.set(entry.key, entry.before);
      }
    }
    perspective.position = historyStart + position;
    return perspective;
  }
}
