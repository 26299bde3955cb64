import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { ReturningWebSocket } from './going-away.js';

/** Called with each new websocket before anything of it is read. */
type Begin = (websocket: WebSocket, request: IncomingMessage) => void;

/** The current protocol of Engine.IO, whose clients are not refused after the response. */
const CURRENT_PROTOCOL = /[?&]EIO=4(?:&|$)/;

/**
 * For the option `wsEngine` of Engine.IO: calls `begin` for every websocket. Engine.IO itself does not report the websocket of
 * a polling client before its upgrade is complete.
 *
 * The response to the upgrade and Engine.IO's first packet are one write. Engine.IO sends the packet in a microtask that it queues
 * in `done`. If it takes longer one day, they are two writes again. For other protocols nothing is held back: where they are not
 * allowed, Engine.IO destroys the connection in `done`.
 */
export const createWebSocketEngine = (begin: Begin) =>
  class extends WebSocketServer<typeof ReturningWebSocket> {
    constructor(options: ServerOptions<typeof ReturningWebSocket>) {
      super({ ...options, WebSocket: ReturningWebSocket });
    }

    override handleUpgrade(
      request: IncomingMessage,
      socket: Duplex,
      head: Buffer,
      done: (...args: never) => void,
    ): void {
      const isCurrent = CURRENT_PROTOCOL.test(request.url ?? '');
      if (isCurrent) socket.cork();
      super.handleUpgrade(request, socket, head, (websocket, upgraded) => {
        begin(websocket, upgraded);
        (done as Begin)(websocket, upgraded);
      });
      if (isCurrent) queueMicrotask(() => socket.uncork());
    }
  };
