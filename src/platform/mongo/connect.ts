import { join } from 'node:path';
import { type Connection, createConnection } from 'mongoose';
import { type EmbeddedDatabase, type EmbeddedOptions, startEmbedded } from '../../embedded/index.js';
import type { LogDetails, Logger } from '../logger.js';
import { type ConnectSettings, toConnectOptions } from './options.js';
import { ensureServer } from './server.js';
import { parseMongoUrl } from './url.js';

/** A connection to MongoDB or the embedded database. */
export interface Mongo {
  readonly connection: Connection;
  /** @throws when the database does not reply within a second */
  ping(): Promise<void>;
  /** Call it before shutdown. Fails the operations that wait for an unreachable database. */
  giveUpIfAway(): Promise<void>;
  close(): Promise<void>;
}

/** Starts an embedded database. */
export type StartEmbedded = (options: EmbeddedOptions) => Promise<EmbeddedDatabase>;

/** Options of {@link connectMongo}. */
export interface MongoOptions extends ConnectSettings {
  readonly mongodbUrl: string | undefined;
  /** Parent directory of the embedded database's data. */
  readonly directory: string;
  readonly startupTimeoutMs: number;
  readonly logger: Logger;
  /** Starts the embedded database; absent: with its data in `directory`. */
  readonly start?: StartEmbedded | undefined;
}

/** Name of the one database in the embedded server. */
export const embeddedDatabase = 'general-socket';
/** Time limit of a readiness check. */
const PING_TIMEOUT_MS = 1000;

/**
 * Connects to `mongodbUrl`, or starts the embedded database in `directory` and connects to it.
 * @throws Error one sentence with the remedy, when no usable server was found within `startupTimeoutMs`
 */
export async function connectMongo(options: MongoOptions): Promise<Mongo> {
  const { mongodbUrl, logger, directory, start = startEmbedded } = options;
  const embedded =
    mongodbUrl === undefined
      ? await start({ directory: join(directory, 'db'), database: embeddedDatabase, logger: toEmbeddedLogger(logger) })
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
    // Operations before the connection fail at once instead of being buffered.
    await connection.openUri(target.url, { ...connectOptions, autoIndex: false, bufferCommands: false });
  } catch (error) {
    await close();
    throw error;
  }
  connection.on('error', (error: Error) => logger.error({ reason: error.message }, 'database: connection error'));
  const kind = embedded === undefined ? 'MongoDB' : 'embedded';
  watchDependency(connection, { logger, details: { dependency: 'mongo', kind, address: target.address } });
  const ping = async (): Promise<void> => {
    await connection.db?.command({ ping: 1 }, { signal: AbortSignal.timeout(PING_TIMEOUT_MS) });
  };
  return { connection, ping, giveUpIfAway: () => ping().catch(() => connection.close()), close };
}

/** Logs when the connection is lost and when it is back. */
function watchDependency(connection: Connection, { logger, details }: { logger: Logger; details: LogDetails }): void {
  let lostAtMs: number | undefined;
  connection.on('disconnected', () => {
    if (lostAtMs !== undefined) return;
    lostAtMs = performance.now();
    logger.error(details, 'dependency lost; retrying');
  });
  connection.on('connected', () => {
    if (lostAtMs === undefined) return;
    logger.info({ ...details, awayMs: Math.round(performance.now() - lostAtMs) }, 'dependency back');
    lostAtMs = undefined;
  });
  logger.info(details, 'dependency ready');
}

/** The embedded database words its messages itself; here they become fields of known events. */
const toEmbeddedLogger = (logger: Logger): NonNullable<EmbeddedOptions['logger']> => ({
  info: (details, problem) => logger.info({ ...details, problem }, 'embedded database: restarted'),
  warn: (details, problem) => logger.warn({ ...details, problem }, 'embedded database: warning'),
  error: (details, problem) => logger.error({ ...details, problem }, 'embedded database: failed'),
});
