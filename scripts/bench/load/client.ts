import { WebSocket } from 'ws';
import { NAMESPACE, type Target } from '../wire.js';

/** A websocket that counts expected messages and reports all others. */
export interface Client {
  /** Number of received expected messages. */
  readonly received: number;
  /** Sets the frame to expect, any number of times, and resets the counter. */
  expect(frame: Buffer, onReceived: () => void): void;
  /** Resolves when the connection is closed. */
  close(): Promise<void>;
}

/** Frames of Engine.IO 4 and Socket.IO 5 for a client of one namespace. */
const frames = {
  open: '0{',
  ping: '2',
  pong: '3',
  connect: (token: string): string => `40${NAMESPACE},${JSON.stringify({ token })}`,
  connected: `40${NAMESPACE},`,
} as const;

/** The frame of an event to a client. */
export const toFrame = (protocol: Target['protocol'], event: string, payload: string): Buffer =>
  Buffer.from(`${protocol === 'ws' ? '' : `42${NAMESPACE},`}["${event}",${payload}]`);

/**
 * Connects and, with Socket.IO, joins the namespace.
 * @param onWrong called for unexpected frames and disconnects after the connect
 * @throws Error when the server refuses
 */
export function openClient(
  { protocol, port }: Target,
  { token, onWrong }: { token: string; onWrong: (what: string) => void },
): Promise<Client> {
  const path = protocol === 'ws' ? `/?token=${token}` : '/socket.io/?EIO=4&transport=websocket';
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { perMessageDeflate: false, skipUTF8Validation: true });
  const client = new CountingClient(socket);

  return new Promise((resolve, reject) => {
    const isReady = (): void => {
      client.listen(onWrong);
      resolve(client);
    };
    socket.once('error', reject);
    socket.once('close', (code) => reject(new Error(`the server closed the connection (${code})`)));
    if (protocol === 'ws') {
      socket.once('open', isReady);
      return;
    }
    const handshake = (data: Buffer): void => {
      const text = data.toString();
      if (text.startsWith(frames.open)) {
        socket.send(frames.connect(token));
        return;
      }
      socket.off('message', handshake);
      if (text.startsWith(frames.connected)) isReady();
      else reject(new Error(`the server refused the connection: ${text}`));
    };
    socket.on('message', handshake);
  });
}

class CountingClient implements Client {
  received = 0;
  readonly #socket: WebSocket;
  #frame: Buffer | undefined;
  #onReceived: () => void = () => undefined;
  #isClosing = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  listen(onWrong: (what: string) => void): void {
    this.#socket.removeAllListeners();
    this.#socket.on('message', (data: Buffer) => {
      if (this.#frame?.equals(data) === true) {
        this.received += 1;
        this.#onReceived();
      } else if (data.toString() === frames.ping) this.#socket.send(frames.pong);
      else onWrong(`unexpected frame: ${data}`);
    });
    this.#socket.on('error', (error) => onWrong(error.message));
    this.#socket.on('close', (code) => this.#isClosing || onWrong(`connection closed (${code})`));
  }

  expect(frame: Buffer, onReceived: () => void): void {
    this.#frame = frame;
    this.#onReceived = onReceived;
    this.received = 0;
  }

  close(): Promise<void> {
    this.#isClosing = true;
    return new Promise((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#socket.terminate();
    });
  }
}
