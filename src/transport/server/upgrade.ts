import { IncomingMessage } from 'node:http';

/** The path of Engine.IO, with the trailing slash that it requires. */
const SOCKET_PATH = '/socket.io/';

const wish = Symbol('the client asks for another protocol');

/**
 * A request whose upgrade is ignored unless it asks for a websocket of Socket.IO. HTTP allows a server to ignore an upgrade,
 * and clients with HTTP/2 expect that: they send `Upgrade: h2c` with the first request of a connection.
 *
 * Node.js reads `upgrade` after the headers and before the body, and then either hands over the connection or parses the body
 * as usual. By default it decides the same for all requests: by whether the event has a listener.
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
