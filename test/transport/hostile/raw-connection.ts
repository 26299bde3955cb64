import { once } from 'node:events';
import { WebSocket } from 'ws';
import { signToken, type TestGateway } from '../../support/gateway.js';

/** A WebSocket without a Socket.IO client: it sends what it is told, exactly. */
export interface RawConnection {
  readonly socket: WebSocket;
  send(frame: string | Buffer): void;
  /** The next frame that has not been taken yet; `undefined` when the gateway has closed the connection. */
  next(): Promise<string | undefined>;
  /** Resolves with the WebSocket's close code. */
  readonly closed: Promise<number>;
  close(): void;
}

/** Opens a connection up to Engine.IO's `open` packet, which is taken. It is in no namespace. */
export async function openRaw(
  gateway: Pick<TestGateway, 'url'>,
  query = 'EIO=4',
  headers: Record<string, string> = {},
): Promise<RawConnection> {
  const url = `${gateway.url.replace('http', 'ws')}/socket.io/?transport=websocket&${query}`;
  const socket = new WebSocket(url, { headers });
  const frames: string[] = [];
  let look = (): void => undefined;
  let isClosed = false;
  socket.on('message', (data) => {
    frames.push(String(data));
    look();
  });
  // An abrupt end by the gateway is an outcome, not a fault of the test.
  socket.on('error', () => undefined);
  const closed = new Promise<number>((resolve) => {
    socket.once('close', (code) => {
      isClosed = true;
      look();
      resolve(code);
    });
  });
  await once(socket, 'open');
  const connection: RawConnection = {
    socket,
    send: (frame) => socket.send(frame),
    next: () =>
      new Promise((resolve) => {
        look = () => {
          if (frames.length === 0 && !isClosed) return;
          look = () => undefined;
          resolve(frames.shift());
        };
        look();
      }),
    closed,
    close: () => socket.terminate(),
  };
  await connection.next();
  return connection;
}

interface Entry {
  namespace?: string;
  claims?: Record<string, unknown>;
  headers?: Record<string, string> | undefined;
}

/** Opens a connection and enters a namespace as the user of `claims`. */
export async function enterRaw(
  gateway: Pick<TestGateway, 'url'>,
  { namespace = '/v1/shared', claims = {}, headers }: Entry = {},
): Promise<RawConnection> {
  const connection = await openRaw(gateway, 'EIO=4', headers);
  const packet = namespace === '/' ? '40' : `40${namespace},`;
  connection.send(`${packet}${JSON.stringify({ token: signToken(claims) })}`);
  const answer = await connection.next();
  if (answer?.startsWith(packet) !== true) throw new Error(`not let in: ${answer}`);
  return connection;
}
