import { join } from 'node:path';
import type { ListenAddress } from '../wire/listener.js';

const SOCKET_NAME = 'db.sock';
/** What `sockaddr_un` has room for, without the byte that ends it. */
const MAX_SOCKET_PATH_BYTES = 107;

/** Where the server of a directory listens: a socket inside it, or a loopback port where the path is too long. */
export function addressOf(directory: string): ListenAddress {
  const path = join(directory, SOCKET_NAME);
  return Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES ? { host: '127.0.0.1', port: 0 } : { path };
}

/**
 * The URL under which a driver reaches the address. The connection is direct: the driver takes this one node as it is
 * and does not look for others; it still sees a replica set, hence sessions, transactions and retryable writes.
 */
export function toUrl(address: ListenAddress, database = ''): string {
  const host = 'path' in address ? encodeURIComponent(address.path) : `${address.host}:${address.port}`;
  return `mongodb://${host}/${encodeURIComponent(database)}?directConnection=true`;
}
