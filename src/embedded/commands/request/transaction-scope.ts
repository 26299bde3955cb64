import { toNumber } from '../../bson/numbers.js';
import { type Document, isNumeric } from '../../bson/values.js';
import type { Database } from '../../engine/database.js';
import type { Session } from '../../engine/sessions.js';
import type { Transaction } from '../../engine/transaction.js';
import { DatabaseError, fail } from '../../errors.js';

/** The most time a transaction can stay open, as in mongod. */
const TRANSACTION_LIFETIME_MS = 60_000;

/** The transaction of a command, or whether it is a retryable write. */
export interface TransactionScope {
  readonly transaction: Transaction | undefined;
  readonly isRetryable: boolean;
}

const NO_SCOPE: TransactionScope = { transaction: undefined, isRetryable: false };

/**
 * Applies `txnNumber`, `autocommit` and `startTransaction` of a command to its session.
 * @throws DatabaseError TransactionTooOld, NoSuchTransaction, TransactionCommitted, …
 */
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
    return failOnMissingTransaction(
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
  if (!transaction?.isOpen)
    return failOnMissingTransaction(`Transaction with { txnNumber: ${txnNumber} } has been aborted.`);
  return { transaction, isRetryable: false };
}

function advance(session: Session, txnNumber: number): void {
  if (txnNumber === session.txnNumber) return;
  // A new number aborts the transaction with the old one.
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
  session.transactionDeadline = performance.now() + TRANSACTION_LIFETIME_MS;
  return { transaction, isRetryable: false };
}

/** Fails with the error that makes a driver retry the whole transaction. */
export function failOnMissingTransaction(message: string): never {
  const error = new DatabaseError('NoSuchTransaction', message);
  error.errorLabels.push('TransientTransactionError');
  throw error;
}
