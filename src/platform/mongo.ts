import { join } from 'node:path';
import { type Connection, createConnection, mongo as driver, MongooseError } from 'mongoose';
import { startEmbedded } from '../embedded/index.js';
import type { Logger } from './logger.js';
import { connectionOptions } from './mongo-connection.js';

/** MongoDB, or the embedded database in its place. */
export interface Mongo {
  readonly connection: Connection;
  /** @throws when the database does not answer within a second */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** The embedded database holds this one alone. */
export const embeddedDatabase = 'general-socket';
/** How long an operation waits for a server before it fails. */
const SELECTION_TIMEOUT_MS = 2000;
/** How long a readiness check waits. */
const PING_TIMEOUT_MS = 1000;

/**
 * Connects to `mongodbUrl`, or starts the embedded database in `directory` and connects to that.
 * @throws when no connection was made within `startupTimeoutMs`
 */
export async function connectMongo(options: {
  mongodbUrl: string | undefined;
  directory: string;
  startupTimeoutMs: number;
  logger: Logger;
}): Promise<Mongo> {
  const { logger, directory } = options;
  const embedded =
    options.mongodbUrl === undefined
      ? await startEmbedded({ directory: join(directory, 'db'), database: embeddedDatabase, logger })
      : undefined;
  const url = options.mongodbUrl ?? embedded?.url ?? '';
  const connection = createConnection();
  connection.on('error', (error: Error) => logger.error({ err: error }, 'database: connection error'));
  const close = async (): Promise<void> => {
    connection.removeAllListeners('disconnected');
    await connection.close();
    await embedded?.stop();
  };
  try {
    await open(connection, url, options);
  } catch (error) {
    await close();
    throw error;
  }
  connection.on('disconnected', () => logger.warn('database: connection lost'));
  connection.on('connected', () => logger.info('database: connected again'));
  logger.info({ kind: embedded === undefined ? 'MongoDB' : 'embedded' }, 'database: connected');
  return {
    connection,
    async ping() {
      await connection.db?.command({ ping: 1 }, { signal: AbortSignal.timeout(PING_TIMEOUT_MS) });
    },
    close,
  };
}

/** Tries until it succeeds or time is up. */
async function open(
  connection: Connection,
  url: string,
  { startupTimeoutMs, logger }: { startupTimeoutMs: number; logger: Logger },
): Promise<void> {
  const giveUpAt = performance.now() + startupTimeoutMs;
  for (;;) {
    try {
      await connection.openUri(url, {
        autoIndex: false,
        // An operation without a connection fails at once instead of being kept in memory.
        bufferCommands: false,
        serverSelectionTimeoutMS: SELECTION_TIMEOUT_MS,
        ...connectionOptions,
      });
      return;
    } catch (cause) {
      if (performance.now() > giveUpAt) {
        throw new Error('The database cannot be reached. Is it running, and is MONGODB_URL right?', { cause });
      }
      logger.warn('database: not reachable yet, trying again');
    }
  }
}

/** Codes of a server that is there but cannot serve: shutting down, not primary, out of disk. */
const SERVER_AWAY_CODES = new Set<unknown>([91, 189, 10107, 11600, 11602, 13435, 13436, 14031]);

/** The database could not be reached, or could not serve; the same operation may succeed later. */
export function isDatabaseAway(error: unknown): boolean {
  // A bulk write wraps what ended it.
  const wrapped: unknown = error instanceof driver.MongoBulkWriteError ? error.errorResponse : undefined;
  if (wrapped instanceof Error) return isDatabaseAway(wrapped);
  if (error instanceof driver.MongoServerError) return SERVER_AWAY_CODES.has(error.code);
  return (
    error instanceof driver.MongoNetworkError ||
    error instanceof driver.MongoServerSelectionError ||
    error instanceof driver.MongoNotConnectedError ||
    error instanceof driver.MongoTopologyClosedError ||
    // Mongoose's own word for the same, when commands are not buffered.
    (error instanceof MongooseError && /ServerSelection|initial connection/.test(`${error.name} ${error.message}`))
  );
}
