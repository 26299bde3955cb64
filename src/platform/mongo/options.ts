import type { ConnectOptions } from 'mongoose';
import type { MongoUrl } from './url.js';

/** Time limits of the database, and the size of the connection pool. */
interface MongoLimits {
  /** Connections to each server. */
  readonly poolMax: number;
  /** Time limit for a primary or a connection. Must exceed an election, or each fail-over causes errors. */
  readonly selectionTimeoutMs: number;
  /** Time limit of one read or write in the database. */
  readonly operationTimeoutMs: number;
}

/** The options that {@link toConnectOptions} needs. */
export interface ConnectSettings extends MongoLimits {
  /** Creates the class of the driver's connections. */
  readonly createConnectionType: (limits: { maxTimeMs: number }) => object;
}

/** Time beyond the operation's limit in which a live server replies. */
const ANSWER_MARGIN_MS = 5000;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Options that the gateway's guarantees depend on. They override the connection string and the server's defaults. Reads
 * decide access and sequence numbers, so they go to the primary. Writes are acknowledged to callers, so they need a
 * majority: with an arbiter MongoDB's default is 1, and a fail-over would lose the write.
 */
export const fixedOptions = {
  readPreference: 'primary',
  readConcern: { level: 'local' },
  writeConcern: { w: 'majority' },
  retryWrites: true,
  retryReads: true,
} as const;

/**
 * Read concern for a document of another write that a reply is about to acknowledge. That write may lack a majority,
 * and a fail-over could undo it; this read waits for the majority.
 */
export const acknowledgedReadConcern = 'linearizable';

/** The driver's options. Limits in the connection string take precedence. */
export function toConnectOptions(
  { poolMax, selectionTimeoutMs, operationTimeoutMs, createConnectionType }: ConnectSettings,
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
  // The driver takes it, and its types do not have it.
  const undocumented = { connectionType: createConnectionType({ maxTimeMs: operationTimeoutMs }) };
  return {
    ...Object.fromEntries(Object.entries(limits).filter(([name]) => !hasOption(name))),
    ...fixedOptions,
    writeConcern: { ...fixedOptions.writeConcern, wtimeoutMS: operationTimeoutMs },
    ...undocumented,
  };
}
