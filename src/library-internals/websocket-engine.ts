import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

/** Called with each new websocket before anything of it is read. */
type Begin = (websocket: WebSocket, request: IncomingMessage) => void;

/**
 * For the option `wsEngine` of Engine.IO: its own websockets, and `begin` knows them all. Of those that a polling client only
 * tries Engine.IO tells nothing before the client has chosen them.
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
