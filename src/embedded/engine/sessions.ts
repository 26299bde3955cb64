import { type Binary, Long } from 'bson';
import type { Document } from '../bson/values.js';
import type { Transaction } from './transaction.js';

/** A logical session of a client. */
export interface Session {
  readonly key: string;
  readonly id: Binary;
  /** The latest transaction number; -1 for none. */
  txnNumber: number;
  /** The results of the retryable write with that number, by statement. */
  readonly statements: Map<number, Document>;
  transaction: Transaction | undefined;
  transactionState: 'none' | 'open' | 'committed' | 'aborted';
  /** When the open transaction is aborted; by `performance.now()`, as below. */
  transactionDeadline: number;
  lastUsedAt: number;
}

/** The timeout of idle sessions, which `hello` reports to drivers. */
export const SESSION_TIMEOUT_MINUTES = 30;

/** All sessions. The results of retryable writes and commits survive a restart. */
export class SessionStore {
  readonly #sessions = new Map<string, Session>();

  /** The session with this id, created if it is new. */
  open(id: Binary): Session {
    const key = Buffer.from(id.buffer).toString('latin1', 0, id.position);
    let session = this.#sessions.get(key);
    if (!session) {
      session = {
        key,
        id,
        txnNumber: -1,
        statements: new Map(),
        transaction: undefined,
        transactionState: 'none',
        transactionDeadline: 0,
        lastUsedAt: 0,
      };
      this.#sessions.set(key, session);
    }
    session.lastUsedAt = performance.now();
    return session;
  }

  values(): Iterable<Session> {
    return this.#sessions.values();
  }

  end(session: Session): void {
    session.transaction?.end();
    this.#sessions.delete(session.key);
  }

  /**
   * Aborts transactions that were open for too long, and ends sessions that were idle for the session timeout.
   * @param now by `performance.now()`
   */
  expire(now: number): void {
    for (const session of this.#sessions.values()) {
      if (session.transaction && now > session.transactionDeadline) abortTransactionOf(session);
      if (now - session.lastUsedAt > SESSION_TIMEOUT_MINUTES * 60_000) this.end(session);
    }
  }

  /** The log entries from which {@link restore} restores the sessions. */
  *describe(): Iterable<Document> {
    for (const session of this.#sessions.values()) {
      const { statements, transactionState } = session;
      if (statements.size === 0 && transactionState !== 'committed') continue;
      yield describeSession(session, [...statements]);
    }
  }

  /** Restores a session from an entry of the log. */
  restore(entry: Document): void {
    const session = this.open(entry['id'] as Binary);
    const txnNumber = (entry['txn'] as Long).toNumber();
    if (txnNumber < session.txnNumber) return;
    if (txnNumber > session.txnNumber) {
      session.statements.clear();
      session.transactionState = 'none';
    }
    session.txnNumber = txnNumber;
    if (entry['committed'] === true) session.transactionState = 'committed';
    const results = entry['results'] as Document[];
    for (const [position, statement] of (entry['statements'] as number[]).entries()) {
      const result = results[position];
      if (result) session.statements.set(statement, result);
    }
  }
}

/** Aborts the open transaction of a session. */
export function abortTransactionOf(session: Session): void {
  session.transaction?.end();
  session.transaction = undefined;
  if (session.transactionState === 'open') session.transactionState = 'aborted';
}

/** The log entry with the results of statements, or with a commit. */
export const describeSession = (
  { id, txnNumber, transactionState }: Session,
  statements: readonly (readonly [number, Document])[],
): Document => ({
  id,
  txn: Long.fromNumber(txnNumber),
  committed: transactionState === 'committed',
  statements: statements.map(([statement]) => statement),
  results: statements.map(([, result]) => result),
});
