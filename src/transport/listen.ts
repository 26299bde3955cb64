import { once } from 'node:events';
import type { Server } from 'node:http';
import { StartError } from '../platform/start-error.js';

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

/** Listens. @returns the port. @throws StartError with the remedy if that is not possible */
export async function listen(server: Server, address: Address): Promise<number> {
  server.listen(address.port, address.host);
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
  if (!server.listening) return;
  server.close();
  server.closeIdleConnections();
  await once(server, 'close');
}
