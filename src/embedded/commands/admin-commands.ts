import { hostname } from 'node:os';
import { Double, Long } from 'bson';
import type { Document } from '../bson/values.js';
import { describeCounts, validateCollection } from '../engine/validate.js';
import { fail } from '../errors.js';
import { SERVER_VERSION } from './handshake-commands.js';
import { type Command, NO_FIELDS, type Request } from './request/request.js';
import { targetCollection } from './request/target.js';

function serverStatus({ state }: Request): Document {
  const { engine, cursors, startedAt, counters } = state;
  const { rss, heapUsed } = process.memoryUsage();
  const uptime = (performance.now() - startedAt) / 1000;
  return {
    host: hostname(),
    version: SERVER_VERSION,
    process: 'embedded',
    pid: Long.fromNumber(process.pid),
    uptime: Math.floor(uptime),
    uptimeMillis: Long.fromNumber(Math.floor(uptime * 1000)),
    localTime: new Date(),
    connections: { current: counters.connections, available: 1_000_000, totalCreated: counters.connections },
    mem: { bits: 64, resident: Math.floor(rss / 2 ** 20), heapUsed: Math.floor(heapUsed / 2 ** 20), supported: true },
    metrics: { commands: { total: Long.fromNumber(counters.commands) }, cursor: { open: { total: cursors.size } } },
    transactions: { currentOpen: engine.transactions.size },
    storageEngine: { name: 'embedded', supportsCommittedReads: true, persistent: true },
    repl: { setName: 'embedded', isWritablePrimary: true, secondary: false },
    ok: 1,
  };
}

async function validate(request: Request): Promise<Document> {
  const collection =
    targetCollection(request) ?? fail('NamespaceNotFound', 'the collection to validate does not exist');
  const errors = await validateCollection(collection);
  const indexes = [...collection.indexes.values()];
  return {
    ns: collection.namespace,
    nrecords: collection.records.size,
    nIndexes: indexes.length,
    keysPerIndex: Object.fromEntries(indexes.map((index) => [index.name, index.size])),
    valid: errors.length === 0,
    errors,
    warnings: [],
    ok: 1,
  };
}

async function compact({ state }: Request): Promise<Document> {
  const isDone = await state.engine.compact();
  return isDone
    ? { ok: 1 }
    : fail('InternalError', 'the log was not compacted: another compaction is in progress, or it failed');
}

/**
 * A point in time for backups and checks: the part of the log that holds all data so far, and what is in memory at that
 * moment. Collections that an open transaction has created are included, because the log has them.
 */
function logSnapshot({ state }: Request): Document {
  const { fileId, size } = state.engine.log.snapshot();
  if (fileId === '') fail('CommandNotSupported', 'logSnapshot: this database has no file');
  const collections = state.engine.databaseNames().flatMap((name) => state.engine.collectionsOf(name));
  return {
    fileId,
    size: new Double(size),
    collections: collections.map((collection) => describeCounts(collection)),
    ok: 1,
  };
}

/** Test suites of drivers ask whether they can use fail points. */
const PARAMETERS: Document = { featureCompatibilityVersion: { version: '8.0' }, enableTestCommands: true };

function getParameter({ command }: Request): Document {
  const isAll = command['getParameter'] === '*';
  const found = Object.entries(PARAMETERS).filter(([name]) => isAll || command[name] !== undefined);
  return found.length > 0 ? { ...Object.fromEntries(found), ok: 1 } : fail('InvalidOptions', 'no option found to get');
}

function configureFailPoint({ state, command }: Request): Document {
  state.failPoint.configure(command);
  return { ok: 1 };
}

/** Options for the scope of validation, which is always complete here. Some drivers still send `scandata`. */
const VALIDATE_FIELDS = new Set(['full', 'background', 'scandata', 'checkBSONConformance', 'metadata']);

/** Commands on the server, and checks of what it holds. */
export const adminCommands: Readonly<Record<string, Command>> = {
  serverStatus: {
    fields: new Set(['repl', 'metrics', 'locks', 'recordStats', 'tcmalloc', 'wiredTiger', 'network', 'mem']),
    run: serverStatus,
  },
  validate: { fields: VALIDATE_FIELDS, run: validate },
  compact: { fields: new Set(['force']), run: compact },
  hostInfo: {
    fields: NO_FIELDS,
    run: () => ({ system: { hostname: hostname() }, os: { type: process.platform }, ok: 1 }),
  },
  getCmdLineOpts: { fields: NO_FIELDS, isAdminOnly: true, run: () => ({ argv: [], parsed: {}, ok: 1 }) },
  getParameter: {
    fields: new Set([...Object.keys(PARAMETERS), 'allParameters']),
    isAdminOnly: true,
    run: getParameter,
  },
  getLog: { fields: NO_FIELDS, isAdminOnly: true, run: () => ({ totalLinesWritten: 0, log: [], ok: 1 }) },
  logSnapshot: { fields: NO_FIELDS, run: logSnapshot },
  configureFailPoint: { fields: new Set(['mode', 'data']), isAdminOnly: true, run: configureFailPoint },
};
