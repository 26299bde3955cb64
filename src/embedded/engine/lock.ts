/** The transaction that holds a lock, as other writers see it. */
export interface LockOwner {
  /** Resolves when the transaction has committed or aborted and its locks are released. */
  readonly ended: Promise<void>;
}

/** A write outside transactions met a document that an open transaction has locked. It can be retried once `owner` has ended. */
export class LockedError extends Error {
  readonly owner: LockOwner;

  constructor(owner: LockOwner) {
    super('locked by a transaction');
    this.name = 'LockedError';
    this.owner = owner;
  }
}
