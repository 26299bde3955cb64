import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

/** Called with each new websocket before anything of it is read. */
type Begin = (websocket: WebSocket, request: IncomingMessage) => void;

/**
 * For the option `wsEngine` of Engine.IO: calls `begin` for every websocket. Engine.IO itself does not report the websocket of
 * a polling client before its upgrade is complete.
 *
 * The response to the upgrade and the first frame of Engine.IO are one write.
 */
export const createWebSocketEngine = (begin: Begin) =>
  class extends WebSocketServer {
    override handleUpgrade(
      request: IncomingMessage,
      socket: Duplex,
      head: Buffer,
      done: (...args: never) => void,
    ): void {
      socket.cork();
      super.handleUpgrade(request, socket, head, (websocket, upgraded) => {
        begin(websocket, upgraded);
        (done as Begin)(websocket, upgraded);
      });
      // Engine.IO writes its frame in a microtask; a tick that a microtask asks for comes after all of them.
      queueMicrotask(() => process.nextTick(uncork, socket));
    }
  };

function uncork(socket: Duplex): void {
  socket.uncork();
}
