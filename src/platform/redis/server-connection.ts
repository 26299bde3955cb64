import { createClient } from 'redis';
import { type RedisTlsFiles, readTlsFiles } from './tls.js';
import type { RedisCredentials, RedisServer } from './url.js';

/** How to reach a server. */
export interface ConnectionSettings {
  readonly isTls: boolean;
  readonly tlsFiles?: RedisTlsFiles;
  readonly credentials: RedisCredentials;
  readonly database: number;
}

/** A connection to one server. It does not reconnect. */
export type Connection = ReturnType<typeof createConnection>;

/** A connection whose commands have no answer for this long is dropped, and its pending commands are rejected. */
export const HUNG_AFTER_MS = 2_000;
/** Maximum queued commands of one connection. Bounds memory when Redis is slow. */
const QUEUE_MAX = 100_000;

/** Options of a connection for node-redis. @throws Error when a file for TLS cannot be read */
export const toClientOptions = (settings: ConnectionSettings, server?: RedisServer) => {
  const { isTls, tlsFiles = {}, credentials, database } = settings;
  const socket = { ...server, connectTimeout: HUNG_AFTER_MS };
  return {
    ...credentials,
    database,
    disableOfflineQueue: true,
    commandsQueueMaxLength: QUEUE_MAX,
    // The time limit of the library ends when a command is written, and costs three times as much as the command. A connection that
    // does not answer is dropped earlier.
    commandOptions: { timeout: 0 },
    maintNotifications: 'disabled',
    socket: isTls ? { ...socket, ...readTlsFiles(tlsFiles), tls: true as const } : socket,
  } as const;
};

/**
 * A connection to `server` that ends with its first failure. It has no time limit of its own: after a pause of this process that of
 * a socket would end it before the messages that have arrived are read.
 * @throws Error when a file for TLS cannot be read
 */
export function createConnection(server: RedisServer, settings: ConnectionSettings) {
  const options = toClientOptions(settings, server);
  const connection = createClient({ ...options, socket: { ...options.socket, reconnectStrategy: false } });
  // The caller learns of errors from `connect` and from pending commands.
  connection.on('error', () => undefined);
  return connection;
}
