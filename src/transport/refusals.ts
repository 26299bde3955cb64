import type { IncomingMessage } from 'node:http';
import type { Logger } from '../platform/logger.js';

/** What Engine.IO tells of a handshake that it refuses. */
interface RefusedHandshake {
  readonly req: IncomingMessage;
  readonly code: number;
  /** The answer has the `message` of this, if there is one. */
  readonly context: { message?: string } | undefined;
}

/** The part of Engine.IO that this file uses. */
interface Engine {
  on(event: 'connection_error', listener: (refused: RefusedHandshake) => void): void;
}

/** Codes of Engine.IO. */
const UNKNOWN_TRANSPORT = 0;
const UNSUPPORTED_PROTOCOL = 5;

/** What a client says of itself is cut before it is logged. */
const LOGGED_MAX = 200;

interface Dependencies {
  transports: readonly string[];
  logger: Pick<Logger, 'warn'>;
}

/**
 * Says why a client does not even get a connection: most clients try polling first, and Engine.IO says `Transport unknown`.
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
      logger.warn(details, 'a client was refused: it speaks the protocol of Socket.IO 2, which ALLOW_EIO3 is for');
    }
  });
}
