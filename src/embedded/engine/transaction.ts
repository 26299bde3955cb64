import type { Document } from '../bson/values.js';
import { DatabaseError } from '../errors.js';
import type { Change, Collection } from './collection.js';
import type { LockOwner } from './lock.js';

/** The most bytes of BSON that a transaction can write. */
export const MAX_TRANSACTION_BYTES = 128 * 1024 * 1024;

/** A transaction's view of a collection: the snapshot of documents that others changed, and its own writes. */
interface CollectionView {
  /** For documents that changed since the transaction began: their state at that time, by key. */
  readonly snapshot: Map<string, Document | undefined>;
  /** The position in the history of the collection up to which `snapshot` is complete. */
  position: number;
  readonly writes: Map<string, Change>;
  /** The indexes that the first write was checked against, as `addedIndexCount`. */
  readonly indexCount: number;
}

/** The documents of a collection that a transaction sees instead of the committed ones. `undefined`: it sees none there. */
export interface Overlay {
  has(key: string): boolean;
  get(key: string): Document | undefined;
  documents(): Iterable<Document | undefined>;
}

/** The error that makes a driver retry the whole transaction. */
export function createWriteConflict(reason: string): DatabaseError {
  const error = new DatabaseError(
    'WriteConflict',
    `Caused by :: Write conflict during plan execution and yielding is disabled. :: ${reason}. Please retry your operation or multi-document transaction.`,
  );
  error.errorLabels.push('TransientTransactionError');
  return error;
}

/**
 * A multi-document transaction. It reads the snapshot of its start, stages its writes until it commits, and locks what
 * it writes. The first writer wins; a second one fails with a write conflict and can retry.
 */
export class Transaction implements LockOwner {
  /** The logical time of the snapshot. Later changes are not visible. */
  readonly time: number;
  readonly ended: Promise<void>;
  byteLength = 0;
  isOpen = true;
  /** Collections that the transaction created. */
  readonly created: Collection[] = [];
  readonly #views = new Map<Collection, CollectionView>();
  readonly #locked: { collection: Collection; name: string }[] = [];
  #end: () => void = () => {};

  constructor(time: number) {
    this.time = time;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /**
   * What the transaction sees instead of the committed documents. It is not copied, because each statement reads it.
   * @returns undefined when nothing differs
   */
  overlayOf(collection: Collection): Overlay | undefined {
    const { writes, snapshot } = this.#viewOf(collection);
    if (writes.size === 0 && snapshot.size === 0) return undefined;
    return {
      has: (key) => writes.has(key) || snapshot.has(key),
      get(key) {
        const write = writes.get(key);
        return write ? write.after : snapshot.get(key);
      },
      *documents() {
        for (const [key, document] of snapshot) if (!writes.has(key)) yield document;
        for (const { after } of writes.values()) yield after;
      },
    };
  }

  /** The document that the transaction sees for a key. */
  documentOf(collection: Collection, key: string): Document | undefined {
    const { writes, snapshot } = this.#viewOf(collection);
    const write = writes.get(key);
    if (write) return write.after;
    return snapshot.has(key) ? snapshot.get(key) : collection.records.get(key)?.document;
  }

  /** The transaction's own write of a key, if any. */
  writeOf(collection: Collection, key: string): Change | undefined {
    return this.#views.get(collection)?.writes.get(key);
  }

  writesOf(collection: Collection): ReadonlyMap<string, Change> {
    return this.#viewOf(collection).writes;
  }

  /** Whether another write of the key was committed since the transaction began. */
  isChangedSince(collection: Collection, key: string): boolean {
    return this.#viewOf(collection).snapshot.has(key);
  }

  /** The snapshot of documents that others changed since. Unique keys must be compared with these, too. */
  snapshotOf(collection: Collection): ReadonlyMap<string, Document | undefined> {
    return this.#viewOf(collection).snapshot;
  }

  /** Locks a name. @throws DatabaseError WriteConflict when another transaction holds the lock */
  lock(collection: Collection, name: string): void {
    const owner = collection.locks.get(name);
    if (owner === this) return;
    if (owner) throw createWriteConflict('another transaction has locked the document');
    collection.locks.set(name, this);
    this.#locked.push({ collection, name });
  }

  /** Stages a write for the commit. A later write of the same document replaces it. */
  stage(collection: Collection, change: Change): void {
    const { writes } = this.#viewOf(collection);
    const earlier = writes.get(change.key);
    this.byteLength += change.byteLength - (earlier?.byteLength ?? 0);
    const before = earlier ? earlier.before : change.before;
    writes.delete(change.key);
    writes.set(change.key, { ...change, before });
  }

  /** All staged writes. */
  *changes(): Iterable<{ collection: Collection; change: Change }> {
    for (const [collection, { writes }] of this.#views) {
      for (const change of writes.values()) {
        // A document that was inserted and deleted needs no write.
        if (change.before !== undefined || change.after !== undefined) yield { collection, change };
      }
    }
  }

  /** The collections with staged writes that got an index since the first access of the transaction. */
  *newlyIndexed(): Iterable<{ collection: Collection; changes: Iterable<Change> }> {
    for (const [collection, { writes, indexCount }] of this.#views) {
      if (writes.size > 0 && collection.addedIndexCount !== indexCount) yield { collection, changes: writes.values() };
    }
  }

  /** Releases all locks and wakes waiting writers. */
  end(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const { collection, name } of this.#locked) collection.locks.delete(name);
    this.#views.clear();
    this.#end();
  }

  #viewOf(collection: Collection): CollectionView {
    let view = this.#views.get(collection);
    if (!view) {
      view = {
        snapshot: new Map(),
        position: collection.historyStart,
        writes: new Map(),
        indexCount: collection.addedIndexCount,
      };
      this.#views.set(collection, view);
    }
    const { history, historyStart } = collection;
    let position = Math.max(view.position - historyStart, 0);
    for (; position < history.length; position += 1) {
      const entry = history[position];
      if (entry && entry.time > this.time && !view.snapshot.has(entry.key)) {
        view.snapshot.set(entry.key, entry.before);
      }
    }
    view.position = historyStart + position;
    return view;
  }
}
