import type { IncomingMessage } from 'node:http';
import { catalogue } from '../../errors.js';
import type { Logger } from '../../platform/logging/logger.js';

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
const UNKNOWN_SESSION = 1;
const UNSUPPORTED_PROTOCOL = 5;

const OLD_PROTOCOL_MESSAGE =
  'Unsupported protocol version: this server takes clients of Socket.IO 3 and 4, whose handshakes have EIO=4; update the client';

const UNKNOWN_SESSION_MESSAGE =
  'Session ID unknown: the connection has ended, or is on another node; polling needs sticky sessions';

/** Maximum logged length of text from a client. */
const LOGGED_MAX = 200;

interface Dependencies {
  transports: readonly string[];
  logger: Pick<Logger, 'info' | 'warn'>;
}

/**
 * Explains refused requests to the client and in the log. Most clients try polling first, and Engine.IO only answers
 * `Transport unknown`; behind a load balancer without sticky sessions it only answers `Session ID unknown`.
 */
export function explainRefusals(engine: Engine, { transports, logger }: Dependencies): void {
  const list = transports.map((transport) => `"${transport}"`).join(', ');
  engine.on('connection_error', ({ req, code, context }) => {
    const details = { enabled: transports, userAgent: userAgentOf(req) };
    if (code === UNKNOWN_TRANSPORT) {
      logger.warn(details, 'a client was refused: it tried a transport that is not among SOCKET_TRANSPORTS');
      if (context !== undefined) {
        context.message = `Transport unknown: this server takes ${transports.join(' and ')} only; connect with transports: [${list}]`;
      }
    } else if (code === UNKNOWN_SESSION) {
      logger.info(details, 'a request of a polling client was refused: its connection is not on this node');
      if (context !== undefined) context.message = UNKNOWN_SESSION_MESSAGE;
    } else if (code === UNSUPPORTED_PROTOCOL) {
      reportOldProtocol(req, logger);
    }
  });
}

const userAgentOf = ({ headers }: IncomingMessage): string | undefined => headers['user-agent']?.slice(0, LOGGED_MAX);

function reportOldProtocol(request: IncomingMessage, logger: Pick<Logger, 'warn'>): void {
  const details = { userAgent: userAgentOf(request) };
  logger.warn(details, 'a client was refused: it uses the protocol of Socket.IO 2, which ALLOW_EIO3 enables');
}

const PRESENT_PROTOCOL = /[?&]EIO=4(?:&|$)/;

/** Whether a websocket uses the protocol of Socket.IO 2. */
export const isOldWebsocket = ({ headers, url = '' }: IncomingMessage): boolean =>
  headers.upgrade !== undefined && !PRESENT_PROTOCOL.test(url);

/**
 * Refuses such a websocket before it is one. Engine.IO would accept it and then write the refusal as HTTP, which the client reports
 * as a damaged frame.
 */
export function refuseOldWebsocket(request: IncomingMessage, logger: Pick<Logger, 'warn'>): void {
  reportOldProtocol(request, logger);
  refuseUpgrade(request, OLD_PROTOCOL_RESPONSE);
}

function refuseUpgrade({ socket }: IncomingMessage, response: string): void {
  socket.on('error', () => undefined);
  socket.write(response);
  // A client that does not close its side would keep the connection.
  socket.destroySoon();
}

/** Engine.IO's callback for a handshake. @param refusal the reason, when it is not allowed */
export type AnswerHandshake = (refusal: string | undefined, isAllowed: boolean) => void;

const DRAINING = 'draining';
const DRAINING_RESPONSE = toResponse(DRAINING, {
  status: '503 Service Unavailable',
  retryAfterS: 1,
  type: 'text/plain',
});

const OLD_PROTOCOL_RESPONSE = toResponse(
  JSON.stringify({ code: UNSUPPORTED_PROTOCOL, message: OLD_PROTOCOL_MESSAGE }),
  { status: '400 Bad Request', type: 'application/json' },
);

interface Head {
  readonly status: string;
  readonly retryAfterS?: number;
  readonly type: string;
}

/** @param body ASCII */
function toResponse(body: string, { status, retryAfterS, type }: Head): string {
  return [
    `HTTP/1.1 ${status}`,
    'Connection: close',
    ...(retryAfterS === undefined ? [] : [`Retry-After: ${retryAfterS}`]),
    `Content-Type: ${type}`,
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n');
}

/**
 * Refuses a handshake because the node drains. A websocket gets 503, by which a load balancer knows to try another node;
 * Engine.IO would answer 400, which blames the client.
 */
export function refuseWhileDraining({ headers, socket }: IncomingMessage, answer: AnswerHandshake): void {
  if (headers.upgrade === undefined) {
    answer(DRAINING, false);
  } else {
    socket.on('error', () => undefined);
    socket.end(DRAINING_RESPONSE);
  }
}

const { RATE_LIMITED } = catalogue;

/**
 * Refuses a handshake because too many clients connect. Clients of Socket.IO try again by themselves, after a time that grows;
 * others find the time in the response. Does the least that is possible: it is done for each client of a storm.
 *
 * Not with 503: a load balancer that takes it for a node that drains would take the last node that is left out of service.
 */
export function refuseOverloaded(request: IncomingMessage, answer: AnswerHandshake, retryAfterMs: number): void {
  if (request.headers.upgrade === undefined) {
    answer('too many clients connect at once', false);
    return;
  }
  const retryAfterS = Math.ceil(retryAfterMs / 1000);
  const body = {
    errno: RATE_LIMITED.status,
    message: 'RATE_LIMITED',
    retry_after: retryAfterS,
    retry_after_ms: retryAfterMs,
  };
  const head = { status: `${RATE_LIMITED.status} Too Many Requests`, retryAfterS, type: 'application/json' };
  refuseUpgrade(request, toResponse(JSON.stringify(body), head));
}
