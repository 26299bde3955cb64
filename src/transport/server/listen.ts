import { once } from 'node:events';
import type { Server } from 'node:http';
import { Server as TcpServer } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { StartError } from '../../platform/start-error.js';
import type { Clock } from '../../platform/time/clock.js';

/** Where to listen. */
interface Address {
  readonly host: string;
  readonly port: number;
}

/** Sentences by the code of the system's error. */
const PROBLEMS: Readonly<Record<string, (address: Address) => string>> = {
  EADDRINUSE: ({ port }) => `Port ${port} is already in use. Set PORT to another one.`,
  EACCES: ({ port }) => `Port ${port} needs more rights than this process has. Set PORT to one above 1023.`,
  EADDRNOTAVAIL: ({ host }) => `HOST ${host} is not an address of this machine. Set it to one, or to 0.0.0.0 for all.`,
  EAFNOSUPPORT: ({ host }) => `HOST ${host} needs IPv6, which this machine does not have. Set it to 0.0.0.0.`,
  ENOTFOUND: ({ host }) => `HOST ${host} is a name without an address. Set it to an address, or to 0.0.0.0 for all.`,
  EAI_AGAIN: ({ host }) => `HOST ${host} could not be looked up. Set it to an address, or to 0.0.0.0 for all.`,
};

/**
 * Connections that the system keeps until they are accepted; it may have a lower limit of its own. With the 511 of Node.js, a
 * twentieth of a second of a reconnect storm fills it. The system then ignores further connections, also of calls, and their callers
 * try again after 1, 3 and 7 seconds.
 */
const BACKLOG = 4096;

/** Listens. @returns the port. @throws StartError with the remedy if that is not possible */
export async function listen(server: Server, address: Address): Promise<number> {
  server.listen({ ...address, backlog: BACKLOG });
  try {
    await once(server, 'listening');
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    const sentence = PROBLEMS[code]?.(address) ?? `HOST ${address.host} and PORT ${address.port} fail: ${message}`;
    throw new StartError('ADDRESS', sentence, { cause });
  }
  const found = server.address();
  return found !== null && typeof found === 'object' ? found.port : address.port;
}

/** Stops accepting connections. Resolves when the requests in progress are answered. */
export async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  // The event also follows when the server has stopped accepting before.
  server.close();
  server.closeIdleConnections();
  await closed;
}

/** How long a new connection may take to send its first request. */
const FIRST_REQUEST_MS = 1000;

/**
 * Prepares a server to stop accepting connections while those it has go on, for other processes that listen on the same port.
 * To be called before it listens.
 * @returns stops accepting; resolves when the connections accepted so far have sent their first request, or a second later:
 *   what a client sends right after it has connected is still answered as before
 */
export function createStopAccepting(server: Server, clock: Clock): () => Promise<void> {
  const withoutRequest = new Set<object>();
  let noteServed: () => void = () => undefined;
  const served = (connection: object): void => {
    withoutRequest.delete(connection);
    if (withoutRequest.size === 0) noteServed();
  };
  // Shared by all connections, to save a closure for each idle one.
  function closed(this: object): void {
    served(this);
  }
  server.on('connection', (connection) => {
    withoutRequest.add(connection);
    connection.on('close', closed);
  });
  server.on('request', ({ socket }) => served(socket));
  server.on('upgrade', ({ socket }) => served(socket));
  return async function stopAccepting() {
    await quietTurn(server);
    // The method of HTTP would also close idle connections, on which a request may be in transit.
    TcpServer.prototype.close.call(server);
    if (withoutRequest.size === 0) return;
    await new Promise<void>((resolve) => {
      noteServed = resolve;
      clock.after(FIRST_REQUEST_MS, resolve);
    });
  };
}

/** Turns of the event loop after which a port is closed that is never quiet. */
const TURNS_MAX = 100;

/**
 * Resolves at the end of a turn of the event loop that has brought no connection. The system resets connections that wait to be
 * accepted when their port is closed, with what they have sent.
 */
async function quietTurn(server: Server): Promise<void> {
  let isQuiet = false;
  const notice = (): void => {
    isQuiet = false;
  };
  server.on('connection', notice);
  for (let turn = 0; turn < TURNS_MAX && !isQuiet; turn += 1) {
    isQuiet = true;
    await setImmediate();
  }
  server.off('connection', notice);
}
