import { once } from 'node:events';
import { WebSocket } from 'ws';
import { signToken, type TestGateway } from '../../support/gateway.js';

/** A WebSocket without a Socket.IO client, which sends given frames unchanged. */
export interface RawConnection {
  readonly socket: WebSocket;
  send(frame: string | Buffer): void;
  /** Takes the next received frame; `undefined` when the gateway has closed the connection. */
  next(): Promise<string | undefined>;
  /** Resolves with the WebSocket's close code. */
  readonly closed: Promise<number>;
  close(): void;
}

/** Opens a connection and takes Engine.IO's `open` packet. It has joined no namespace. */
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
  // An abrupt close by the gateway is a valid outcome.
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

/** Opens a connection and joins a namespace as the user of `claims`. */
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
