import type { ConnectOptions } from 'mongoose';
import { createConnectionType } from '../../library-internals/mongodb-connection.js';
import type { MongoUrl } from './url.js';

/** How long the database may take, and how many connections one node opens to it. */
export interface MongoLimits {
  /** Connections to each server. */
  readonly poolMax: number;
  /** How long an operation waits for a primary, or for a connection. Longer than an election, or each fail-over is an error. */
  readonly selectionTimeoutMs: number;
  /** How long the database may work on one read or write. */
  readonly operationTimeoutMs: number;
}

/** A server that is alive answers within the operation's time and this. */
const ANSWER_MARGIN_MS = 5000;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Options that the gateway's guarantees depend on; they override the connection string and the server's defaults. A read decides who may
 * hear what and which number comes next, so it asks the primary. A write is acknowledged to callers, so a majority has it:
 * with an arbiter MongoDB's own default is 1, and a fail-over would lose the write.
 */
export const fixedOptions = {
  readPreference: 'primary',
  readConcern: { level: 'local' },
  writeConcern: { w: 'majority' },
  retryWrites: true,
  retryReads: true,
} as const;

/**
 * Read concern for a document that another write has stored and that an answer is about to acknowledge. The other write may
 * not have a majority yet, and a fail-over would take its document away: this read waits until a majority has it.
 */
export const acknowledgedReadConcern = 'linearizable';

/** The driver's options. What the connection string says of limits wins. */
export function toConnectOptions(
  { poolMax, selectionTimeoutMs, operationTimeoutMs }: MongoLimits,
  { hasOption }: Pick<MongoUrl, 'hasOption'>,
): ConnectOptions {
  const limits = {
    maxPoolSize: poolMax,
    serverSelectionTimeoutMS: selectionTimeoutMs,
    waitQueueTimeoutMS: selectionTimeoutMs,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    socketTimeoutMS: operationTimeoutMs + ANSWER_MARGIN_MS,
    appName: 'general-socket',
  };
  return {
    ...Object.fromEntries(Object.entries(limits).filter(([name]) => !hasOption(name))),
    ...fixedOptions,
    writeConcern: { ...fixedOptions.writeConcern, wtimeoutMS: operationTimeoutMs },
    ...{ connectionType: createConnectionType({ maxTimeMs: operationTimeoutMs }) },
  };
}
