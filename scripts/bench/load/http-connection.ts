import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const HEAD_END = '\r\n\r\n';

/**
 * An HTTP connection for sequential requests, with minimal overhead so that the load generator is not the bottleneck.
 */
export interface HttpConnection {
  /** Sends a prepared request. @returns the response body @throws Error unless the status is 200 */
  send(request: Buffer): Promise<string>;
  close(): void;
}

/** The bytes of a request. */
export function toRequest(path: string, { body, headers }: { body: string; headers: Record<string, string> }): Buffer {
  const all = { host: 'localhost', 'content-type': 'application/json', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\n${lines.join('')}content-length: ${Buffer.byteLength(body)}${HEAD_END}${body}`,
  );
}

const LAST_CHUNK = '0\r\n\r\n';

/** The body of a response that was sent in chunks. */
function joinChunks(text: string): string {
  const sizeEnd = text.indexOf('\r\n');
  const size = Number.parseInt(text.slice(0, sizeEnd), 16);
  const start = sizeEnd + 2;
  return size > 0 ? text.slice(start, start + size) + joinChunks(text.slice(start + size + 2)) : '';
}

/** Opens a keep-alive connection to this machine. */
export async function openHttpConnection(port: number): Promise<HttpConnection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return createConnection(socket);
}

function createConnection(socket: Socket): HttpConnection {
  let received = '';
  let settle: { resolve(body: string): void; reject(error: Error): void } | undefined;

  // One character per byte, so that content-length counts characters.
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    received += chunk;
    const headEnd = received.indexOf(HEAD_END);
    if (headEnd === -1) return;
    const head = received.slice(0, headEnd);
    const rest = received.slice(headEnd + HEAD_END.length);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined ? !rest.endsWith(LAST_CHUNK) : rest.length < Number(length)) return;
    const body = length === undefined ? joinChunks(rest) : rest;
    received = '';
    const { resolve, reject } = settle ?? { resolve() {}, reject() {} };
    settle = undefined;
    if (head.startsWith('HTTP/1.1 200 ') && body.length === Number(length ?? body.length)) resolve(body);
    else reject(new Error(`unexpected response: ${head}${HEAD_END}${body}`));
  });
  socket.on('error', (error) => settle?.reject(error));
  socket.on('close', () => settle?.reject(new Error('the server closed the connection')));

  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        settle = { resolve, reject };
        socket.write(request);
      }),
    close: () => void socket.destroy(),
  };
}
