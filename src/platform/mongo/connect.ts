import { join } from 'node:path';
import { type Connection, createConnection } from 'mongoose';
import { startEmbedded } from '../../embedded/index.js';
import type { Logger } from '../logger.js';
import { type MongoLimits, toConnectOptions } from './options.js';
import { ensureServer } from './server.js';
import { parseMongoUrl } from './url.js';

/** MongoDB, or the embedded database in its place. */
export interface Mongo {
  readonly connection: Connection;
  /** @throws when the database does not answer within a second */
  ping(): Promise<void>;
  /** Before the end: what waits for a database that is away, and will wait for it, fails now. */
  giveUpIfAway(): Promise<void>;
  close(): Promise<void>;
}

/** What {@link connectMongo} needs. */
export interface MongoOptions extends MongoLimits {
  readonly mongodbUrl: string | undefined;
  /** Where the embedded database keeps its data, in a folder of its own. */
  readonly directory: string;
  readonly startupTimeoutMs: number;
  readonly logger: Logger;
}

/** Name of the one database in the embedded server. */
export const embeddedDatabase = 'general-socket';
/** How long a readiness check waits. */
const PING_TIMEOUT_MS = 1000;

/**
 * Connects to `mongodbUrl`, or starts the embedded database in `directory` and connects to that.
 * @throws Error one sentence that says what to do, when no usable server was found within `startupTimeoutMs`
 */
export async function connectMongo(options: MongoOptions): Promise<Mongo> {
  const { mongodbUrl, logger, directory } = options;
  const embedded =
    mongodbUrl === undefined
      ? await startEmbedded({ directory: join(directory, 'db'), database: embeddedDatabase, logger })
      : undefined;
  const target = parseMongoUrl(mongodbUrl ?? embedded?.url ?? '');
  const connectOptions = toConnectOptions(options, target);
  const connection = createConnection();
  const close = async (): Promise<void> => {
    connection.removeAllListeners('disconnected');
    await connection.close();
    await embedded?.stop();
  };
  try {
    if (target.ignored.length > 0) {
      logger.warn({ options: target.ignored }, 'database: MONGODB_URL names options that the gateway decides itself');
    }
    if (embedded === undefined) await ensureServer(target, connectOptions, options);
    // An operation before there is a connection fails at once instead of being kept in memory.
    await connection.openUri(target.url, { ...connectOptions, autoIndex: false, bufferCommands: false });
  } catch (error) {
    await close();
    throw error;
  }
  connection.on('error', (error: Error) => logger.error({ reason: error.message }, 'database: connection error'));
  connection.on('disconnected', () => logger.warn('database: connection lost'));
  connection.on('connected', () => logger.info('database: connected again'));
  const kind = embedded === undefined ? 'MongoDB' : 'embedded';
  logger.info({ kind, address: target.address }, 'database: connected');
  const ping = async (): Promise<void> => {
    await connection.db?.command({ ping: 1 }, { signal: AbortSignal.timeout(PING_TIMEOUT_MS) });
  };
  return { connection, ping, giveUpIfAway: () => ping().catch(() => connection.close()), close };
}
