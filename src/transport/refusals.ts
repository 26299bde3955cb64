import type { IncomingMessage } from 'node:http';
import type { Logger } from '../platform/logger.js';

/** Engine.IO's report of a refused handshake. */
interface RefusedHandshake {
  readonly req: IncomingMessage;
  readonly code: number;
  /** Its `message` becomes that of the response. */
  readonly context: { message?: string } | undefined;
}

/** The part of Engine.IO that this file uses. */
interface Engine {
  on(event: 'connection_error', listener: (refused: RefusedHandshake) => void): void;
}

/** Error codes of Engine.IO. */
const UNKNOWN_TRANSPORT = 0;
const UNSUPPORTED_PROTOCOL = 5;

/** Maximum logged length of text from a client. */
const LOGGED_MAX = 200;

interface Dependencies {
  transports: readonly string[];
  logger: Pick<Logger, 'warn'>;
}

/**
 * Explains refused handshakes to the client and in the log: most clients try polling first, and Engine.IO only answers
 * `Transport unknown`.
 */
export function explainRefusals(engine: Engine, { transports, logger }: Dependencies): void {
  const list = transports.map((transport) => `"${transport}"`).join(', ');
  engine.on('connection_error', ({ req, code, context }) => {
    const details = { enabled: transports, userAgent: req.headers['user-agent']?.slice(0, LOGGED_MAX) };
    if (code === UNKNOWN_TRANSPORT) {
      logger.warn(details, 'a client was refused: it tried a transport that is not among SOCKET_TRANSPORTS');
      if (context !== undefined) {
        context.message = `Transport unknown: this server takes ${transports.join(' and ')} only; connect with transports: [${list}]`;
      }
    } else if (code === UNSUPPORTED_PROTOCOL) {
      logger.warn(details, 'a client was refused: it uses the protocol of Socket.IO 2, which ALLOW_EIO3 enables');
    }
  });
}

const DRAINING = 'draining';
const DRAINING_RESPONSE = [
  'HTTP/1.1 503 Service Unavailable',
  'Connection: close',
  'Retry-After: 1',
  'Content-Type: text/plain',
  `Content-Length: ${DRAINING.length}`,
  '',
  DRAINING,
].join('\r\n');

/**
 * Refuses a handshake because the node drains. A websocket gets 503, by which a load balancer knows to try another node;
 * Engine.IO would answer 400, which blames the client.
 */
export function refuseWhileDraining(
  { headers, socket }: IncomingMessage,
  answer: (refusal: string, isAllowed: boolean) => void,
): void {
  if (headers.upgrade === undefined) {
    answer(DRAINING, false);
  } else {
    socket.on('error', () => undefined);
    socket.end(DRAINING_RESPONSE);
  }
}
