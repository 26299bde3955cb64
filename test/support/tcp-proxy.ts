import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net';

/** Passes TCP connections on to a port of this machine, and can be taken away for a while. */
export interface TcpProxy {
  readonly port: number;
  /** Ends every connection and refuses new ones. */
  cut(): Promise<void>;
  /** Takes connections again, on the same port. */
  restore(): Promise<void>;
}

/** @param targetPort where connections lead @param ownPort absent: a free one */
export async function startTcpProxy(targetPort: number, ownPort = 0): Promise<TcpProxy> {
  const open = new Set<Socket>();
  let server: Server;
  let port = ownPort;
  const restore = async (): Promise<void> => {
    server = createServer((near) => {
      const far = dial(targetPort, '127.0.0.1');
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        open.add(one);
        one.on('error', () => undefined);
        one.on('close', () => {
          open.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  };
  await restore();
  return {
    get port() {
      return port;
    },
    restore,
    async cut() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
