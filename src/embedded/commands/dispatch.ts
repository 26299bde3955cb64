import { Binary } from 'bson';
import { toNumber } from '../bson/numbers.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../bson/values.js';
import { abortTransactionOf } from '../engine/sessions.js';
import { type DatabaseError, fail, toDatabaseError } from '../errors.js';
import type { CommandHandler, Connection } from '../wire/connection.js';
import { FAILED, SUCCEEDED } from '../wire/reply.js';
import { labelsOf } from './error-labels.js';
import { describe, isExplainedAggregate } from './explain-command.js';
import { ensureFields, findCommand } from './registry.js';
import { ensureApiVersion } from './request/api-version.js';
import { ensureConcerns, ensureReadConcern, toWriteConcern } from './request/concerns.js';
import { createDeadline, type Deadline, NO_DEADLINE } from './request/deadline.js';
import { sessionIdOf } from './request/fields.js';
import type { Command, Request } from './request/request.js';
import { enterTransaction } from './request/transaction-scope.js';
import type { Failure } from './state/fail-point.js';
import type { ServerState } from './state/server-state.js';

/** A command as it arrives from a connection. */
interface Call {
  readonly name: string;
  readonly command: Document;
  readonly database: string;
  readonly connection: Connection;
}

/** Runs commands: checks, session, transaction, time limit, execution, and the wait for the log. */
export function createCommandHandler(state: ServerState): CommandHandler {
  return async function handleCommand(message, connection) {
    const { command, database } = message;
    const [name = ''] = Object.keys(command);
    state.counters.commands += 1;
    rememberAppName(connection, command);
    state.clusterTime.observe(command);
    const failure = state.failPoint.failureOf({
      name,
      appName: appNames.get(connection),
      isNewRetryableWrite: () => isNewRetryableWrite(state, command),
    });
    const call: Call = { name, command, database, connection };
    const reply = await (failure ? executeWithFailure(failure, state, call) : execute(state, call));
    return { ...reply, ok: reply['ok'] === 1 ? SUCCEEDED : FAILED, operationTime: state.clusterTime.lastOperation() };
  };
}

/** Application names by connection. Fail points can be limited to an application. */
const appNames = new WeakMap<Connection, string>();

function rememberAppName(connection: Connection, command: Document): void {
  const client = fieldOf(command, 'client');
  const application = isDocument(client) ? client['application'] : undefined;
  if (isDocument(application) && typeof application['name'] === 'string') {
    appNames.set(connection, application['name']);
  }
}

/** Whether the command is a retryable write without stored results, that is, not a retry. */
function isNewRetryableWrite({ engine }: ServerState, command: Document): boolean {
  const { txnNumber, autocommit } = command;
  const lsid = sessionIdOf(command);
  if (!isNumeric(txnNumber) || autocommit !== undefined || !(lsid instanceof Binary)) return false;
  const session = engine.sessions.open(lsid);
  return toNumber(txnNumber) > session.txnNumber || session.statements.size === 0;
}

/** Applies a fail point before, after or instead of the command. */
async function executeWithFailure(failure: Failure, state: ServerState, call: Call): Promise<Document> {
  const { command } = call;
  if (failure.blockMs > 0) await new Promise((resolve) => setTimeout(resolve, failure.blockMs));
  if (failure.closesConnection) throw new Error('closed by a fail point');
  if (failure.error) return withLabels(command, toReply(failure.error), failure.labels);
  const reply = await execute(state, call);
  if (failure.closesAfterwards) throw new Error('closed by a fail point');
  if (!failure.writeConcernError) return reply;
  // Copies the reply, because the session can store the same object as the result for a retry.
  return withLabels(command, { ...reply, writeConcernError: failure.writeConcernError }, failure.labels);
}

/** Executes a command. Errors become replies. */
async function execute(state: ServerState, call: Call): Promise<Document> {
  const { name, command } = call;
  let request: Request | undefined;
  try {
    const definition = findCommand(name);
    ensureFields(name, command, definition);
    ensureApiVersion(name, command);
    if (definition.isAdminOnly === true && call.database !== 'admin') {
      fail('Unauthorized', `${name} may only be run against the admin database.`);
    }
    ensureConcerns(name, command);
    const concern = toWriteConcern(command);
    request = openRequest(state, call, definition);
    const { session, transaction } = request;
    ensureReadConcern(command, transaction !== undefined, state.clusterTime.now());
    const reply = isExplainedAggregate(request) ? describe(request, 'queryPlanner') : await definition.run(request);
    if (transaction && reply['writeErrors'] !== undefined && session) abortTransactionOf(session);
    const { log } = state.engine;
    await (concern.isJournaled ? log.synced() : log.written());
    return withLabels(command, concern.error ? { ...reply, writeConcernError: concern.error } : reply);
  } catch (error) {
    return withLabels(command, await toFailedReply(state, request, error));
  }
}

/** Opens the session and the transaction of a command, and starts its time limit. */
function openRequest(state: ServerState, call: Call, definition: Command): Request {
  const { name, command, database, connection } = call;
  const lsid = sessionIdOf(command);
  const session = lsid instanceof Binary ? state.engine.sessions.open(lsid) : undefined;
  const { transaction, isRetryable } = enterTransaction(state.engine, session, { name, command });
  if (transaction && !definition.isTransactional) {
    fail('OperationNotSupportedInTransaction', `Cannot run '${name}' in a multi-document transaction.`);
  }
  const deadline = toDeadline(call);
  // No spread: every command passes here, and spreading doubles its allocations.
  return { name, command, database, connection, state, session, transaction, isRetryable, deadline };
}

function toDeadline({ name, command }: Call): Deadline {
  const maxTimeMs = fieldOf(command, 'maxTimeMS');
  // The `maxTimeMS` of getMore limits the wait of tailable cursors only.
  return maxTimeMs === undefined || name === 'getMore' ? NO_DEADLINE : createDeadline(name, maxTimeMs);
}

async function toFailedReply(state: ServerState, request: Request | undefined, thrown: unknown): Promise<Document> {
  const error = toDatabaseError(thrown);
  if (request?.transaction && request.session) abortTransactionOf(request.session);
  state.engine.recoverLog();
  // Writes that the command made before it failed must be in the log before the reply.
  await state.engine.log.written()?.catch(() => {});
  return toReply(error);
}

const toReply = (error: DatabaseError): Document => ({
  ...error.extra,
  ok: 0,
  errmsg: error.message,
  code: error.code,
  codeName: error.codeName,
  ...(error.errorLabels.length > 0 && { errorLabels: error.errorLabels }),
});

/** Adds error labels to a reply with an error. @param given - labels of a fail point, instead of the usual ones */
function withLabels(command: Document, reply: Document, given?: readonly string[]): Document {
  if (reply['ok'] === 1 && reply['writeConcernError'] === undefined) return reply;
  const own = (reply['errorLabels'] as string[] | undefined) ?? [];
  const labels = given ?? [...new Set([...own, ...labelsOf(command, reply)])];
  return labels.length > 0 ? { ...reply, errorLabels: labels } : reply;
}
