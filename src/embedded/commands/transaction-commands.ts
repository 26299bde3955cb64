import { randomUUID } from 'node:crypto';
import { Binary } from 'bson';
import { type Document, isDocument } from '../bson/values.js';
import { commitTransaction } from '../engine/commit-transaction.js';
import { abortTransactionOf, SESSION_TIMEOUT_MINUTES, type Session } from '../engine/sessions.js';
import { fail } from '../errors.js';
import { type Command, NO_FIELDS, type Request } from './request/request.js';
import { failOnMissingTransaction } from './request/transaction-scope.js';

function ensureInTransaction({ session, command, name }: Request): Session {
  if (!session || command['autocommit'] !== false) {
    return fail('InvalidOptions', `${name} must be run within a transaction`);
  }
  return session;
}

const failOnAborted = ({ txnNumber }: Session): never =>
  failOnMissingTransaction(`Transaction with { txnNumber: ${txnNumber} } has been aborted.`);

function commit(request: Request): Document {
  const session = ensureInTransaction(request);
  if (session.transactionState === 'committed') return { ok: 1 };
  const { transaction } = session;
  if (!transaction?.isOpen) return failOnAborted(session);
  commitTransaction(request.state.engine, session, transaction);
  return { ok: 1 };
}

function abort(request: Request): Document {
  const session = ensureInTransaction(request);
  if (session.transactionState === 'committed') {
    fail('TransactionCommitted', `Transaction with { txnNumber: ${session.txnNumber} } has been committed.`);
  }
  if (session.transactionState === 'aborted') failOnAborted(session);
  abortTransactionOf(session);
  return { ok: 1 };
}

function startSession(): Document {
  const id = new Binary(Buffer.from(randomUUID().replaceAll('-', ''), 'hex'), Binary.SUBTYPE_UUID);
  return { id: { id }, timeoutMinutes: SESSION_TIMEOUT_MINUTES, ok: 1 };
}

function endSessions({ state, command }: Request): Document {
  const given = command['endSessions'] ?? command['killSessions'];
  if (!Array.isArray(given)) return fail('TypeMismatch', 'the sessions must be an array');
  for (const { id } of given.filter(isDocument)) {
    if (!(id instanceof Binary)) continue;
    const session = state.engine.sessions.open(id);
    abortTransactionOf(session);
    state.cursors.killOf(session);
    state.engine.sessions.end(session);
  }
  return { ok: 1 };
}

function killAllSessions({ state }: Request): Document {
  for (const session of [...state.engine.sessions.values()]) {
    abortTransactionOf(session);
    state.cursors.killOf(session);
  }
  return { ok: 1 };
}

/** The commands that end transactions and sessions. */
export const transactionCommands: Readonly<Record<string, Command>> = {
  commitTransaction: { fields: new Set(['recoveryToken']), isTransactional: true, run: commit },
  abortTransaction: { fields: new Set(['recoveryToken']), isTransactional: true, run: abort },
  startSession: { fields: NO_FIELDS, run: startSession },
  endSessions: { fields: NO_FIELDS, run: endSessions },
  killSessions: { fields: NO_FIELDS, run: endSessions },
  killAllSessions: { fields: NO_FIELDS, run: killAllSessions },
  refreshSessions: { fields: NO_FIELDS, run: () => ({ ok: 1 }) },
};
