import { join } from 'node:path';
import { type Connection, createConnection, STATES } from 'mongoose';
import { type EmbeddedDatabase, type EmbeddedOptions, startEmbedded } from '../../embedded/index.js';
import { makeDirectory, toDataDirectoryError } from '../data-directory.js';
import type { Dependency } from '../health.js';
import type { LogDetails, Logger } from '../logging/logger.js';
import { StartError } from '../start-error.js';
import { watchClock } from './clock-watch.js';
import { readIsOnShards } from './cluster.js';
import { type ConnectSettings, toConnectOptions } from './options.js';
import { ensureServer } from './server.js';
import { ensureUsableTlsFiles } from './tls-files.js';
import { parseMongoUrl } from './url.js';

/** A connection to MongoDB or the embedded database. */
export interface Mongo {
  readonly connection: Connection;
  /** @throws when the database does not reply within a second */
  ping(): Promise<void>;
  /** The disk of the embedded database; absent for MongoDB. Its ping throws while writes fail. */
  readonly storage?: Dependency;
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
  /** Called when writes of the embedded database begin to fail (false), and when they work (true). */
  readonly onStorage?: (isWritable: boolean) => void;
  /** Starts the embedded database; absent: with its data in `directory`. */
  readonly start?: StartEmbedded | undefined;
}

/** Name of the one database in the embedded server. */
export const embeddedDatabase = 'general-socket';
/** Time limit of a readiness check. */
const PING_TIMEOUT_MS = 1000;
/** A connected database that is only slow still answers the operations that wait for it. */
const SLOW_PING_TIMEOUT_MS = 5000;

async function startInDirectory(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  makeDirectory(options.directory);
  return startEmbedded(options);
}

/**
 * Connects to `mongodbUrl`, or starts the embedded database in `directory` and connects to it.
 * @throws StartError one sentence with the remedy, when no usable server was found within `startupTimeoutMs`
 */
export async function connectMongo(options: MongoOptions): Promise<Mongo> {
  const { mongodbUrl, logger, directory, start = startInDirectory } = options;
  const storage = watchStorage(options);
  const embedded =
    mongodbUrl === undefined
      ? await start({
          directory: join(directory, 'db'),
          database: embeddedDatabase,
          logger: toEmbeddedLogger(logger),
          onStorage: storage.onChange,
        }).catch((error: unknown) => {
          throw toDataDirectoryError(error, directory);
        })
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
    ensureUsableTlsFiles(target);
    if (embedded === undefined) await ensureServer(target, connectOptions, options);
    // Operations before the connection fail at once instead of being buffered.
    await connection.openUri(target.url, { ...connectOptions, autoIndex: false, bufferCommands: false });
    if (embedded === undefined) await readIsOnShards(connection);
  } catch (error) {
    await close();
    throw StartError.of('MONGODB', error);
  }
  connection.on('error', (error: Error) => logger.error({ reason: error.message }, 'database: connection error'));
  if (embedded === undefined) watchClock(connection.getClient(), logger);
  const kind = embedded === undefined ? 'MongoDB' : 'embedded';
  watchDependency(connection, { logger, details: { dependency: 'mongo', kind, address: target.address } });
  const ping = async (timeoutMs = PING_TIMEOUT_MS): Promise<void> => {
    await connection.db?.command({ ping: 1 }, { signal: AbortSignal.timeout(timeoutMs) });
  };
  const giveUpIfAway = async (): Promise<void> => {
    const isConnected = connection.readyState === STATES.connected;
    await ping(isConnected ? SLOW_PING_TIMEOUT_MS : PING_TIMEOUT_MS).catch(() => connection.close());
  };
  return { connection, ping: () => ping(), giveUpIfAway, close, ...(embedded !== undefined && { storage }) };
}

/** What the embedded database reports about its disk. */
function watchStorage({ directory, logger, onStorage }: MongoOptions) {
  let problem: string | undefined;
  return {
    onChange(next: string | undefined): void {
      if (next === problem) return;
      if (next !== undefined) logger.error({ reason: next, directory }, 'storage: writes fail; retrying');
      else logger.info({ directory }, 'storage: writes work again');
      problem = next;
      onStorage?.(next === undefined);
    },
    async ping(): Promise<void> {
      if (problem !== undefined) throw new Error(problem);
    },
  };
}

/** Logs when the connection is lost and when it is back. */
function watchDependency(connection: Connection, { logger, details }: { logger: Logger; details: LogDetails }): void {
  let lostAtMs: number | undefined;
  let reason: string | undefined;
  // Before the listener of Mongoose, which reports the loss without the reason.
  connection.getClient().prependListener('serverDescriptionChanged', ({ newDescription: { error } }) => {
    reason = error?.message;
  });
  connection.on('disconnected', () => {
    if (lostAtMs !== undefined) return;
    lostAtMs = performance.now();
    logger.error({ ...details, reason }, 'dependency lost; retrying');
  });
  connection.on('connected', () => {
    if (lostAtMs === undefined) return;
    logger.info({ ...details, awayMs: Math.round(performance.now() - lostAtMs) }, 'dependency back');
    lostAtMs = undefined;
  });
  logger.info(details, 'dependency ready');
}

/** The embedded database formats its own messages. Here they become fields of known events. */
const toEmbeddedLogger = (logger: Logger): NonNullable<EmbeddedOptions['logger']> => ({
  info: (details, problem) => logger.info({ ...details, problem }, 'embedded database: restarted'),
  warn: (details, problem) => logger.warn({ ...details, problem }, 'embedded database: warning'),
  error: (details, problem) => logger.error({ ...details, problem }, 'embedded database: failed'),
});
