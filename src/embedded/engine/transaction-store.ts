import type { Document } from '../bson/values.js';
import type { Catalog } from './catalog.js';
import type { Collection } from './collection.js';
import { Transaction } from './transaction.js';

/** The most history entries of a collection. Beyond that, the oldest open transaction is aborted. */
const MAX_HISTORY = 500_000;

/** The open transactions, and the history of changes since the oldest snapshot. */
export class TransactionStore {
  readonly #catalog: Catalog;
  readonly #open = new Set<Transaction>();
  /** The logical time, which advances with every committed write. */
  #time = 0;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** The number of open transactions. */
  get size(): number {
    return this.#open.size;
  }

  /** Starts a transaction with a snapshot of the current state. */
  start(): Transaction {
    const transaction = new Transaction(this.#time);
    this.#open.add(transaction);
    void transaction.ended.then(() => {
      this.#open.delete(transaction);
      this.#forgetHistory();
    });
    return transaction;
  }

  endAll(): void {
    for (const transaction of [...this.#open]) transaction.end();
  }

  /** Advances the logical time for the changes that are applied next. */
  advanceTime(): void {
    this.#time += 1;
  }

  /** Records the state of a document before a change, if a transaction is open. */
  recordHistory(collection: Collection, key: string, before: Document | undefined): void {
    if (this.#open.size === 0) return;
    collection.history.push({ time: this.#time, key, before });
    if (collection.history.length > MAX_HISTORY) {
      const [oldest] = this.#open;
      oldest?.end();
    }
  }

  #forgetHistory(): void {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { time } of this.#open) oldest = Math.min(oldest, time);
    for (const collection of this.#catalog.all()) {
      const { history } = collection;
      if (history.length === 0) continue;
      const firstKept = history.findIndex(({ time }) => time > oldest);
      const dropped = firstKept === -1 ? history.length : firstKept;
      collection.history = history.slice(dropped);
      collection.historyStart += dropped;
    }
  }
}
