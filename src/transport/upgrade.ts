import { IncomingMessage } from 'node:http';

/** Where Engine.IO answers, with the slash that it asks for. */
const SOCKET_PATH = '/socket.io/';

const wish = Symbol('the client asks for another protocol');

/**
 * A request that asks for another protocol only when that is a websocket of Socket.IO. HTTP allows a server to ignore
 * the wish, and that is what clients with HTTP/2 expect: they send `Upgrade: h2c` with the first request of a connection.
 *
 * Node.js reads `upgrade` when it has the headers and nothing of the body, and then either hands the connection over or
 * parses the body as usual. It decides for all requests alike otherwise: by whether the event has a listener.
 */
export class UpgradeAwareRequest extends IncomingMessage {
  [wish] = false;

  get upgrade(): boolean {
    return this[wish] && isSocketUpgrade(this);
  }
  set upgrade(value: boolean | null) {
    this[wish] = value === true;
  }
}

function isSocketUpgrade({ headers, method, url }: IncomingMessage): boolean {
  if (method === 'CONNECT') return true;
  return headers.upgrade?.toLowerCase() === 'websocket' && url?.startsWith(SOCKET_PATH) === true;
}
