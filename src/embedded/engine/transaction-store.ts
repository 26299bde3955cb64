import type { Document } from '../bson/values.js';
import type { Catalog } from './catalog.js';
import type { Collection } from './collection.js';
import { Transaction } from './transaction.js';

/** How many changes are remembered for open transactions before the oldest of them is given up. */
const MAX_HISTORY = 500_000;

/** The transactions that are open, and what was changed since the oldest of them began, which they must not see. */
export class TransactionStore {
  readonly #catalog: Catalog;
  readonly #open = new Set<Transaction>();
  /** The moment: it moves with every committed write. */
  #stamp = 0;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /** A transaction that sees what is committed now. */
  start(): Transaction {
    const transaction = new Transaction(this.#stamp);
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

  /** Marks a new moment, to which the changes now applied belong. */
  nextStamp(): void {
    this.#stamp += 1;
  }

  /** Remembers what a document was, if someone may still want to see it. */
  remember(collection: Collection, key: string, before: Document | undefined): void {
    if (this.#open.size === 0) return;
    collection.history.push({ stamp: this.#stamp, key, before });
    if (collection.history.length > MAX_HISTORY) {
      const [oldest] = this.#open;
      oldest?.end();
    }
  }

  #forgetHistory(): void {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { stamp } of this.#open) oldest = Math.min(oldest, stamp);
    for (const collection of this.#catalog.all()) {
      const { history } = collection;
      if (history.length === 0) continue;
      const firstKept = history.findIndex(({ stamp }) => stamp > oldest);
      const dropped = firstKept === -1 ? history.length : firstKept;
      collection.history = history.slice(dropped);
      collection.historyStart += dropped;
    }
  }
}
