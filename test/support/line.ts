import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { until } from './until.js';

/** A TCP connection that sends what it is told, and keeps all that comes. */
export interface Line {
  readonly socket: Socket;
  /** Resolves when the connection has ended, by whichever side. */
  readonly closed: Promise<unknown>;
  text(): string;
  /** Sends, and waits until what came since matches. @returns that; also when the connection ended instead */
  ask(request: string | Buffer, end: RegExp): Promise<string>;
}

/** Opens a connection for the duration of a test. @param said what it sends at once */
export async function openLine({ port }: { port: number }, said = ''): Promise<Line> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  // An abrupt end is an outcome, not a fault of the test.
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  socket.write(said);
  return {
    socket,
    closed,
    text: () => text,
    async ask(request, end) {
      text = '';
      socket.write(request);
      await until(() => end.test(text) || socket.destroyed);
      return text;
    },
  };
}

/** The head of a request that asks for a websocket. */
export const upgradeRequest = (query: string): string =>
  [
    `GET /socket.io/?EIO=4&transport=websocket${query} HTTP/1.1`,
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==',
    '',
    '',
  ].join('\r\n');

/** A text frame as a client sends it: masked, here with zeros. */
export function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const length = payload.length < 126 ? [payload.length | 0x80] : [0xfe, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), payload]);
}
