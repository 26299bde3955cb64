import { Manager, type ManagerOptions, type Socket } from 'socket.io-client';

/** A connection of the engine, and the namespaces that share it. */
interface Shared {
  readonly manager: Manager;
  readonly namespaces: Set<string>;
}

const connections = new Map<string, Shared>();

/** Where a socket connects. */
export interface Place {
  readonly url: string;
  readonly namespace: string;
  /** Of the handshake. */
  readonly query: Readonly<Record<string, string>>;
  /** More options of Socket.IO, such as `path`. A connection with any is not shared. */
  readonly options: Partial<ManagerOptions> | undefined;
}

/** A socket that is not connected yet, and what gives it back. */
export interface Lease {
  readonly socket: Socket;
  release(): void;
}

/** Leases a socket. Namespaces of one gateway share one connection; a second socket of a namespace gets its own. */
export function leaseSocket({ url, namespace, query, options }: Place): Lease {
  const key = JSON.stringify([url, query]);
  const known = options === undefined ? connections.get(key) : undefined;
  const isFree = known !== undefined && !known.namespaces.has(namespace);
  const shared = isFree ? known : { manager: createManager(url, query, options), namespaces: new Set<string>() };
  if (options === undefined && known === undefined) connections.set(key, shared);
  shared.namespaces.add(namespace);
  const socket = shared.manager.socket(namespace);
  return {
    socket,
    release() {
      socket.disconnect();
      socket.removeAllListeners();
      socket.offAny();
      shared.namespaces.delete(namespace);
      if (shared.namespaces.size === 0 && connections.get(key) === shared) connections.delete(key);
    },
  };
}

/** Tells the gateway that this client comes back after `retry_after_ms` when a CONNECT is refused. */
const RETRIES = { retryAfter: '1' };

/** Reconnecting is decided for each namespace by itself, so the manager never does it. */
const createManager = (url: string, own: Place['query'], options: Place['options']): Manager => {
  const query = { ...own, ...RETRIES };
  return new Manager(url, { transports: ['websocket'], ...options, query, autoConnect: false, reconnection: false });
};
