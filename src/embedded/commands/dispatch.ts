import { Binary } from 'bson';
import { toNumber } from '../bson/numbers.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../bson/values.js';
import { type DatabaseError, fail, toDatabaseError } from '../errors.js';
import type { CommandHandler, Connection } from '../wire/listener.js';
import { adminCommands } from './admin-commands.js';
import { aggregateCommands } from './aggregate-command.js';
import { bulkWriteCommands } from './bulk-write-command.js';
import { collectionCommands } from './collection-commands.js';
import { labelsOf } from './error-labels.js';
import { describe, explainCommands, isExplainedAggregate } from './explain-command.js';
import { findAndModifyCommands } from './find-and-modify-command.js';
import { handshakeCommands } from './handshake-commands.js';
import { indexCommands } from './index-commands.js';
import { readCommands } from './read-commands.js';
import { ensureApiVersion } from './request/api-version.js';
import { ensureConcerns, ensureReadConcern, toWriteConcern } from './request/concerns.js';
import { type Command, createDeadline, NO_DEADLINE, type Request, sessionIdOf } from './request/request.js';
import type { Failure } from './state/fail-point.js';
import type { ServerState } from './state/server-state.js';
import { abortSessionTransaction, enterTransaction, transactionCommands } from './transaction-commands.js';
import { writeCommands } from './write-commands.js';

const COMMANDS: ReadonlyMap<string, Command> = new Map(
  Object.entries({
    ...handshakeCommands,
    ...readCommands,
    ...writeCommands,
    ...findAndModifyCommands,
    ...bulkWriteCommands,
    ...aggregateCommands,
    ...explainCommands,
    ...indexCommands,
    ...collectionCommands,
    ...adminCommands,
    ...transactionCommands,
  }),
);

/** Fields any command may carry. */
const COMMON_FIELDS: ReadonlySet<string> = new Set([
  '$db',
  'lsid',
  'txnNumber',
  'autocommit',
  'startTransaction',
  'stmtId',
  'stmtIds',
  '$readPreference',
  '$clusterTime',
  '$query',
  'readConcern',
  'writeConcern',
  'maxTimeMS',
  'comment',
  'apiVersion',
  'apiStrict',
  'apiDeprecationErrors',
  'maxTimeMSOpOnly',
  'mayBypassWriteBlocking',
  'databaseVersion',
  'shardVersion',
  'rawData',
]);

const commandOf = (name: string): Command =>
  COMMANDS.get(name) ?? fail('CommandNotFound', `no such command: '${name}'`);

function ensureFieldsKnown(name: string, command: Document, { fields }: Command): void {
  for (const field of Object.keys(command)) {
    if (field === name || fields.has(field) || COMMON_FIELDS.has(field)) continue;
    fail('Location40415', `BSON field '${name}.${field}' is an unknown field.`);
  }
}

/** Application names by connection, which a fail point may be limited to. */
const appNames = new WeakMap<Connection, string>();

function rememberClient(connection: Connection, command: Document): void {
  const client = fieldOf(command, 'client');
  const application = isDocument(client) ? client['application'] : undefined;
  if (isDocument(application) && typeof application['name'] === 'string') {
    appNames.set(connection, application['name']);
  }
}

/** Whether the command is a retryable write of which nothing is remembered. */
function isNewRetryableWrite({ engine }: ServerState, command: Document): boolean {
  const { txnNumber, autocommit } = command;
  const lsid = sessionIdOf(command);
  if (!isNumeric(txnNumber) || autocommit !== undefined || !(lsid instanceof Binary)) return false;
  const session = engine.sessions.open(lsid);
  return toNumber(txnNumber) > session.txnNumber || session.statements.size === 0;
}

function withLabels(command: Document, reply: Document, given?: readonly string[]): Document {
  if (reply['ok'] === 1 && reply['writeConcernError'] === undefined) return reply;
  const own = (reply['errorLabels'] as string[] | undefined) ?? [];
  const labels = given ?? [...new Set([...own, ...labelsOf(command, reply)])];
  return labels.length > 0 ? { ...reply, errorLabels: labels } : reply;
}

const toReply = (error: DatabaseError): Document => ({
  ...error.extra,
  ok: 0,
  errmsg: error.message,
  code: error.code,
  codeName: error.codeName,
  ...(error.errorLabels.length > 0 && { errorLabels: error.errorLabels }),
});

/** Runs commands against the engine: checks, session, transaction, time limit, and the wait for the log. */
export function createCommandHandler(state: ServerState): CommandHandler {
  return function handleCommand(message, connection) {
    const { command, database } = message;
    const [name = ''] = Object.keys(command);
    state.counters.commands += 1;
    rememberClient(connection, command);
    const failure = state.failPoint.failureOf({
      name,
      appName: appNames.get(connection),
      isNewRetryableWrite: () => isNewRetryableWrite(state, command),
    });
    const call: Call = { name, command, database, connection };
    return failure ? failAt(failure, state, call) : execute(state, call);
  };
}

interface Call {
  readonly name: string;
  readonly command: Document;
  readonly database: string;
  readonly connection: Connection;
}

/** What a fail point asks for, around the command or in its place. */
async function failAt(failure: Failure, state: ServerState, call: Call): Promise<Document> {
  const { command } = call;
  if (failure.blockMs > 0) await new Promise((resolve) => setTimeout(resolve, failure.blockMs));
  if (failure.closesConnection) throw new Error('closed by a fail point');
  if (failure.error) return withLabels(command, toReply(failure.error), failure.labels);
  const reply = await execute(state, call);
  if (failure.closesAfterwards) throw new Error('closed by a fail point');
  if (!failure.writeConcernError) return reply;
  // A copy: the reply of a findAndModify is also what a retry is answered with.
  return withLabels(command, { ...reply, writeConcernError: failure.writeConcernError }, failure.labels);
}

async function execute(state: ServerState, { name, command, database, connection }: Call): Promise<Document> {
  let request: Request | undefined;
  try {
    const definition = commandOf(name);
    ensureFieldsKnown(name, command, definition);
    ensureApiVersion(name, command);
    const lsid = sessionIdOf(command);
    ensureConcerns(name, command);
    const concern = toWriteConcern(command);
    const session = lsid instanceof Binary ? state.engine.sessions.open(lsid) : undefined;
    const scope = enterTransaction(state.engine, session, { name, command });
    if (scope.transaction && !definition.isTransactional) {
      fail('OperationNotSupportedInTransaction', `Cannot run '${name}' in a multi-document transaction.`);
    }
    const maxTimeMs = fieldOf(command, 'maxTimeMS');
    const deadline = maxTimeMs === undefined || name === 'getMore' ? NO_DEADLINE : createDeadline(maxTimeMs);
    request = { name, command, database, state, connection, session, ...scope, deadline };
    ensureReadConcern(command, scope.transaction !== undefined);
    const reply = isExplainedAggregate(request) ? describe(request, 'queryPlanner') : await definition.run(request);
    if (scope.transaction && reply['writeErrors'] !== undefined && session) abortSessionTransaction(session);
    const { log } = state.engine;
    await (concern.isJournaled ? log.synced() : log.written());
    return withLabels(command, concern.error ? { ...reply, writeConcernError: concern.error } : reply);
  } catch (error) {
    return withLabels(command, await failedReply(state, request, error));
  }
}

async function failedReply(state: ServerState, request: Request | undefined, thrown: unknown): Promise<Document> {
  const error = toDatabaseError(thrown);
  if (request?.transaction && request.session) abortSessionTransaction(request.session);
  state.engine.recoverLog();
  // What the command did before it failed must be written before anyone hears of the failure.
  await state.engine.log.written()?.catch(() => {});
  return toReply(error);
}
