import { once } from 'node:events';
import type { Server } from 'node:http';

/** Listens. @returns the port. @throws Error with the remedy if the port is in use */
export async function listen(server: Server, { host, port }: { host: string; port: number }): Promise<number> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    const isTaken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw isTaken ? new Error(`Port ${port} is already in use. Set PORT to another one.`, { cause }) : cause;
  }
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : port;
}

/** Stops accepting connections. Resolves when the requests in progress are answered. */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  server.closeIdleConnections();
  await once(server, 'close');
}
