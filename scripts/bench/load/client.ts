import { WebSocket } from 'ws';
import { EVENT, type Target } from '../wire.js';
import { createSpeech, recovered, type Speech } from './protocols.js';

/** A websocket that counts expected messages and reports all others. */
export interface Client {
  /** Number of received expected messages. */
  readonly received: number;
  /** Sets the payload to expect, any number of times, and resets the counter. */
  expect(payload: string, onReceived: (count: number) => void): void;
  /** Resolves when the connection is closed. */
  close(): Promise<void>;
}

/** Who connects, and where. */
export interface ClientOptions {
  readonly target: Target;
  /** Of the node. */
  readonly port: number;
  readonly namespace: string;
  readonly userId: string;
  readonly token: string;
  /** What the client waits for from its first frame on; absent: nothing. */
  readonly awaited?: { readonly payload: string; onReceived(count: number): void } | undefined;
  /** Called for unexpected frames and disconnects after the connect. */
  onWrong(what: string): void;
}

/**
 * Connects and, with Socket.IO, joins the namespace. Messages are acknowledged.
 * @throws Error when the server refuses
 */
export function openClient({
  target,
  port,
  namespace,
  userId,
  token,
  awaited,
  onWrong,
}: ClientOptions): Promise<Client> {
  const speech = createSpeech(target.protocol, { namespace, userId, event: EVENT });
  const url = `ws://127.0.0.1:${port}${speech.path(token)}`;
  const socket = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true });
  const client = new CountingClient(socket, speech, userId);
  if (awaited !== undefined) client.expect(awaited.payload, awaited.onReceived);

  return new Promise((resolve, reject) => {
    const isReady = (): void => {
      client.listen(onWrong);
      const missed = recovered.get(userId) ?? 0;
      if (target.protocol === 'centrifugo' && missed > 0 && awaited !== undefined) client.take(missed);
      resolve(client);
    };
    socket.once('error', reject);
    socket.once('close', (code) => reject(new Error(`the server closed the connection (${code})`)));
    socket.once('open', () => {
      if (target.protocol === 'ws') isReady();
      else if (speech.hello !== undefined) socket.send(speech.hello(token));
    });
    const handshake = (data: Buffer): void => {
      const text = data.toString();
      const step = speech.handshake(text, token);
      if (typeof step === 'object') {
        socket.send(step.send);
        return;
      }
      socket.off('message', handshake);
      if (step === 'connected') isReady();
      else reject(new Error(`the server refused the connection: ${text}`));
    };
    if (target.protocol !== 'ws') socket.on('message', handshake);
  });
}

class CountingClient implements Client {
  received = 0;
  readonly #socket: WebSocket;
  readonly #speech: Speech;
  readonly #userId: string;
  #expected = '';
  #onReceived: (count: number) => void = () => undefined;
  #isClosing = false;

  constructor(socket: WebSocket, speech: Speech, userId: string) {
    this.#socket = socket;
    this.#speech = speech;
    this.#userId = userId;
  }

  listen(onWrong: (what: string) => void): void {
    this.#socket.removeAllListeners();
    this.#socket.on('message', (data: Buffer) => {
      const text = data.toString();
      const read = this.#speech.read(text, this.#expected);
      if (read === undefined) return onWrong(`unexpected frame: ${text}`);
      if (read.reply !== undefined) this.#socket.send(read.reply);
      if (read.count > 0) this.take(read.count);
    });
    this.#socket.on('error', (error) => onWrong(error.message));
    this.#socket.on('close', (code) => this.#isClosing || onWrong(`connection closed (${code})`));
  }

  take(count: number): void {
    this.received += count;
    this.#onReceived(count);
  }

  expect(payload: string, onReceived: (count: number) => void): void {
    this.#expected = this.#speech.toExpected(payload, this.#userId);
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
