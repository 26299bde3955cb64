import { join } from 'node:path';
import type { ListenAddress } from '../wire/listener.js';

const SOCKET_NAME = 'db.sock';
/** The size of the path in `sockaddr_un`, without the terminating byte. */
const MAX_SOCKET_PATH_BYTES = 107;

/** The address of the server of a data directory: a unix socket in it, or a loopback port when the path is too long. */
export function addressOf(directory: string): ListenAddress {
  const path = join(directory, SOCKET_NAME);
  return Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES ? { host: '127.0.0.1', port: 0 } : { path };
}

/**
 * The URL of a server for drivers. With `directConnection` the driver does not discover other nodes. It still sees a
 * replica set, and so supports sessions, transactions and retryable writes.
 */
export function toUrl(address: ListenAddress, database = ''): string {
  const host = 'path' in address ? encodeURIComponent(address.path) : `${address.host}:${address.port}`;
  return `mongodb://${host}/${encodeURIComponent(database)}?directConnection=true`;
}
