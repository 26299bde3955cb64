import { WebSocket } from 'ws';
import { EVENT } from '../wire.js';

/** Who connects. */
export interface Identity {
  readonly token: string;
  readonly deviceId: string;
  readonly namespace: string;
  /** Behaves as the typed client does: it is told when to come back. Others behave as Socket.IO's own client. */
  readonly isTyped: boolean;
}

/** What clients of one process have counted. */
export interface Counts {
  /** Clients in their namespaces now. */
  entered: number;
  /** Handshakes begun. */
  attempts: number;
  /** Handshakes refused, with 429. */
  refused: number;
  /** CONNECTs refused with a time. */
  explained: number;
  /** CONNECTs refused for other reasons, which is a failure. */
  failed: number;
  /** Numbers of durable messages, as they came. */
  readonly received: number[];
}

/** How long Socket.IO's client waits for a connection. */
const TIMEOUT_MS = 20_000;

/** A client that reconnects, without the library of Socket.IO: what it costs must be small beside the gateway. */
export class StormClient {
  readonly #identity: Identity;
  readonly #counts: Counts;
  readonly #portOf: () => number;
  #failures = 0;
  #hasEntered = false;
  #retryAfterMs = 0;

  constructor(identity: Identity, { counts, portOf }: { counts: Counts; portOf: () => number }) {
    this.#identity = identity;
    this.#counts = counts;
    this.#portOf = portOf;
  }

  connect(): void {
    this.#counts.attempts += 1;
    const query = `EIO=4&transport=websocket${this.#identity.isTyped ? '&retryAfter=1' : ''}`;
    const socket = new WebSocket(`ws://127.0.0.1:${this.#portOf()}/socket.io/?${query}`, {
      perMessageDeflate: false,
      handshakeTimeout: TIMEOUT_MS,
      skipUTF8Validation: true,
    });
    socket.on('unexpected-response', (request, response) => {
      if (response.statusCode === 429) this.#counts.refused += 1;
      response.resume();
      request.destroy();
      this.#tryAgain();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.#closed());
    socket.on('message', (data) => this.#take(socket, String(data)));
  }

  #take(socket: WebSocket, frame: string): void {
    const { namespace, token, deviceId } = this.#identity;
    const prefix = namespace === '/' ? '' : `${namespace},`;
    if (frame === '2') {
      socket.send('3');
    } else if (frame.startsWith('0')) {
      socket.send(`40${prefix}${JSON.stringify({ token, deviceId })}`);
    } else if (frame.startsWith(`40${prefix}`)) {
      this.#hasEntered = true;
      this.#failures = 0;
      this.#counts.entered += 1;
    } else if (frame.startsWith('44')) {
      this.#refused(socket, frame);
    } else if (frame.startsWith(`42${prefix}`)) {
      this.#event(socket, frame.slice(2 + prefix.length), prefix);
    }
  }

  #refused(socket: WebSocket, frame: string): void {
    const [, retryAfterMs] = /"retry_after_ms":(\d+)/.exec(frame) ?? [];
    if (retryAfterMs === undefined) this.#counts.failed += 1;
    else this.#counts.explained += 1;
    this.#retryAfterMs = Number(retryAfterMs ?? 0);
    socket.close();
  }

  #event(socket: WebSocket, rest: string, prefix: string): void {
    const at = rest.indexOf('[');
    const id = rest.slice(0, at);
    const [event, payload] = JSON.parse(rest.slice(at)) as [string, unknown];
    if (event === EVENT) this.#counts.received.push(Number(payload));
    if (event === '_batch') {
      for (const [name, number] of payload as [string, number][])
        if (name === EVENT) this.#counts.received.push(number);
    }
    if (id !== '') socket.send(`43${prefix}${id}[]`);
  }

  #closed(): void {
    if (this.#hasEntered) this.#counts.entered -= 1;
    this.#hasEntered = false;
    this.#tryAgain();
  }

  #isWaiting = false;

  #tryAgain(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    setTimeout(() => {
      this.#isWaiting = false;
      this.connect();
    }, this.#delayMs());
    this.#failures += 1;
    this.#retryAfterMs = 0;
  }

  /** As Socket.IO's client and as the typed one. */
  #delayMs(): number {
    if (this.#identity.isTyped) {
      return this.#retryAfterMs + Math.min(500 * 2 ** this.#failures, 15_000) * (0.5 + Math.random() / 2);
    }
    return Math.min(1000 * 2 ** this.#failures, 5000) * (0.5 + Math.random());
  }
}
