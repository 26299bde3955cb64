import { Binary } from 'bson';
import { toNumber } from '../bson/numbers.js';
import { type Document, isDocument, isNumeric } from '../bson/values.js';
import type { Database } from '../engine/database.js';
import { DirectWriter } from '../engine/direct-writer.js';
import type { Session } from '../engine/sessions.js';
import { createWriteConflict, type Transaction } from '../engine/transaction.js';
import { DatabaseError, fail } from '../errors.js';
import { type Command, NO_FIELDS, type Request } from './request/request.js';

/** How long a transaction may stay open; mongod's default. */
const TRANSACTION_LIFETIME_MS = 60_000;

/** Where a command stands towards the transactions of its session. */
export interface TransactionScope {
  readonly transaction: Transaction | undefined;
  readonly isRetryable: boolean;
}

const NO_SCOPE: TransactionScope = { transaction: undefined, isRetryable: false };

function noSuchTransaction(message: string): never {
  const error = new DatabaseError('NoSuchTransaction', message);
  error.errorLabels.push('TransientTransactionError');
  throw error;
}

/** Applies `txnNumber`, `autocommit` and `startTransaction` of a command to its session. */
export function enterTransaction(
  engine: Database,
  session: Session | undefined,
  { name, command }: { name: string; command: Document },
): TransactionScope {
  const given = command['txnNumber'];
  if (given === undefined) return NO_SCOPE;
  if (!session) return fail('InvalidOptions', 'Transaction number requires a session ID to also be specified');
  if (!isNumeric(given)) return fail('TypeMismatch', "BSON field 'txnNumber' is the wrong type, expected type 'long'");
  const txnNumber = toNumber(given);
  if (txnNumber < session.txnNumber) {
    return fail(
      'TransactionTooOld',
      `Cannot start transaction with number ${txnNumber} on session because a newer transaction with txnNumber ${session.txnNumber} has already started on this session.`,
    );
  }
  if (command['autocommit'] === undefined) return enterRetryableWrite(session, txnNumber);
  if (command['startTransaction'] === true) return startTransaction(engine, session, txnNumber);
  if (txnNumber !== session.txnNumber || session.transactionState === 'none') {
    return noSuchTransaction(
      `Given transaction number ${txnNumber} does not match any in-progress transactions. The active transaction number is ${session.txnNumber}`,
    );
  }
  if (name === 'commitTransaction' || name === 'abortTransaction') {
    return { transaction: session.transaction, isRetryable: false };
  }
  if (session.transactionState === 'committed') {
    return fail('TransactionCommitted', `Transaction with { txnNumber: ${txnNumber} } has been committed.`);
  }
  const { transaction } = session;
  if (!transaction?.isOpen) return noSuchTransaction(`Transaction with { txnNumber: ${txnNumber} } has been aborted.`);
  return { transaction, isRetryable: false };
}

function advance(session: Session, txnNumber: number): void {
  if (txnNumber === session.txnNumber) return;
  // A new number gives up what was open under the old one.
  session.transaction?.end();
  session.transaction = undefined;
  session.transactionState = 'none';
  session.statements.clear();
  session.txnNumber = txnNumber;
}

function enterRetryableWrite(session: Session, txnNumber: number): TransactionScope {
  advance(session, txnNumber);
  if (session.transactionState !== 'none') {
    fail('IncompleteTransactionHistory', `Cannot retry a transaction with number ${txnNumber} as a retryable write`);
  }
  return { transaction: undefined, isRetryable: true };
}

function startTransaction(engine: Database, session: Session, txnNumber: number): TransactionScope {
  if (txnNumber === session.txnNumber && session.transactionState !== 'none') {
    fail(
      'ConflictingOperationInProgress',
      `Only servers in a sharded cluster can start a new transaction at the active transaction number ${txnNumber}`,
    );
  }
  advance(session, txnNumber);
  const transaction = engine.startTransaction();
  session.transaction = transaction;
  session.transactionState = 'open';
  session.transactionDeadline = Date.now() + TRANSACTION_LIFETIME_MS;
  return { transaction, isRetryable: false };
}

/** Gives a session's transaction up. */
export function abortSessionTransaction(session: Session): void {
  session.transaction?.end();
  session.transaction = undefined;
  if (session.transactionState === 'open') session.transactionState = 'aborted';
}

/** Gives up transactions that have been open for too long. */
export function expireTransactions(sessions: Iterable<Session>, now: number): void {
  for (const session of sessions) {
    if (session.transaction && now > session.transactionDeadline) abortSessionTransaction(session);
  }
}

function ensureInTransaction({ session, command, name }: Request): Session {
  if (!session || command['autocommit'] !== false) {
    return fail('InvalidOptions', `${name} must be run within a transaction`);
  }
  return session;
}

function commitTransaction(request: Request): Document {
  const session = ensureInTransaction(request);
  if (session.transactionState === 'committed') return { ok: 1 };
  const { transaction } = session;
  if (!transaction?.isOpen)
    return noSuchTransaction(`Transaction with { txnNumber: ${session.txnNumber} } has been aborted.`);
  const writer = new DirectWriter(request.state.engine);
  try {
    for (const { collection } of transaction.changes()) {
      if (collection.isDropped) throw createWriteConflict('a collection it has written to was dropped');
    }
    request.state.engine.log.ensureWritable();
    ensureStillIndexable(transaction);
    session.transactionState = 'committed';
    writer.adopt(transaction);
  } catch (error) {
    session.transactionState = 'open';
    abortSessionTransaction(session);
    throw error;
  }
  writer.commit(session);
  for (const collection of transaction.created.splice(0)) collection.createdBy = undefined;
  transaction.end();
  session.transaction = undefined;
  return { ok: 1 };
}

/** An index may have been created while the transaction was open. */
function ensureStillIndexable(transaction: Transaction): void {
  for (const { collection, change } of transaction.changes()) {
    const { after } = change;
    if (!after) continue;
    for (const index of collection.indexes.values()) {
      index.ensureIndexable(after);
      if (!index.definition.isUnique) continue;
      const conflict = index.conflictOf(after, ({ key }) => transaction.writeOf(collection, key) !== undefined);
      if (conflict)
        throw createWriteConflict('a unique index that came into being meanwhile does not admit its writes');
    }
  }
}

function abortTransaction(request: Request): Document {
  const session = ensureInTransaction(request);
  if (session.transactionState === 'committed') {
    fail('TransactionCommitted', `Transaction with { txnNumber: ${session.txnNumber} } has been committed.`);
  }
  if (session.transactionState === 'aborted')
    noSuchTransaction(`Transaction with { txnNumber: ${session.txnNumber} } has been aborted.`);
  abortSessionTransaction(session);
  return { ok: 1 };
}

const sessionsOf = (given: unknown): Document[] => (Array.isArray(given) ? given.filter(isDocument) : []);

function endSessions({ state, command }: Request): Document {
  for (const { id } of sessionsOf(command['endSessions'] ?? command['killSessions'])) {
    if (!(id instanceof Binary)) continue;
    const session = state.engine.sessions.open(id);
    abortSessionTransaction(session);
    state.cursors.killOf(session);
    state.engine.sessions.end(session);
  }
  return { ok: 1 };
}

/** The commands about transactions and sessions. */
export const transactionCommands: Readonly<Record<string, Command>> = {
  commitTransaction: { fields: new Set(['recoveryToken']), isTransactional: true, run: commitTransaction },
  abortTransaction: { fields: new Set(['recoveryToken']), isTransactional: true, run: abortTransaction },
  endSessions: { fields: NO_FIELDS, run: endSessions },
  killSessions: { fields: NO_FIELDS, run: endSessions },
  killAllSessions: {
    fields: NO_FIELDS,
    run: ({ state }) => {
      for (const session of [...state.engine.sessions.values()]) {
        abortSessionTransaction(session);
        state.cursors.killOf(session);
      }
      return { ok: 1 };
    },
  },
  refreshSessions: { fields: NO_FIELDS, run: () => ({ ok: 1 }) },
};
