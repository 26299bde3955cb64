import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

/** Called with each new websocket before anything of it is read. */
type Begin = (websocket: WebSocket, request: IncomingMessage) => void;

/**
 * For the option `wsEngine` of Engine.IO: calls `begin` for every websocket. Engine.IO itself does not report the websocket of
 * a polling client before its upgrade is complete.
 */
export const createWebSocketEngine = (begin: Begin) =>
  class extends WebSocketServer {
    override handleUpgrade(
      request: IncomingMessage,
      socket: Duplex,
      head: Buffer,
      done: (...args: never) => void,
    ): void {
      super.handleUpgrade(request, socket, head, (websocket, upgraded) => {
        begin(websocket, upgraded);
        (done as Begin)(websocket, upgraded);
      });
    }
  };
