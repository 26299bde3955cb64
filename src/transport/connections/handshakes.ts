import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../../errors.js';
import type { Logger } from '../../platform/logging/logger.js';
import type { Admission } from './admission.js';
import type { ConnectionBounds } from './connection-bounds.js';
import { type AnswerHandshake, refuseOverloaded, refuseWhileDraining } from './refusals.js';

/**
 * Query parameter of clients that connect again after the `retry_after_ms` of a refused CONNECT. For other clients of Socket.IO a
 * refused CONNECT is final, and only a refused handshake is tried again.
 */
const RETRIES = /[?&]retryAfter=1(?:&|$)/;

interface Dependencies {
  readonly admission: Admission;
  readonly connectionBounds: Pick<ConnectionBounds, 'reserve'>;
  readonly isDraining: () => boolean;
  readonly logger: Pick<Logger, 'warn'>;
}

/** Admits handshakes, before anything else is done for their clients. */
export interface Handshakes {
  /** Answers a handshake at once or later. @returns whether it was refused */
  admit(request: IncomingMessage, answer: AnswerHandshake): boolean;
  /** Called with each new connection, which still has its request. */
  begin(connection: { readonly request: IncomingMessage }): void;
  /** The answer to each CONNECT of a connection that exists only to carry a refusal with its time. */
  refusalOf(connection: object): GatewayError | undefined;
}

/** The decisions are those of the {@link Admission}. */
export function createHandshakes({ admission, connectionBounds, isDraining, logger }: Dependencies): Handshakes {
  /** By request, then by connection. */
  const refusals = new WeakMap<object, GatewayError>();

  /** A waiting handshake counts as a connection of its address. */
  const hold = (request: IncomingMessage, answer: AnswerHandshake): void => {
    const { socket } = request;
    const release = connectionBounds.reserve(request);
    const ignore = (): void => undefined;
    const leave = (): void => {
      giveUp();
      release();
    };
    // Node.js has no listener for errors of an upgraded connection, so they would end the process.
    socket.on('error', ignore);
    socket.on('close', leave);
    const stopWatching = request.headers.upgrade === undefined ? ignore : watchEnd(socket);
    const giveUp = admission.wait(() => {
      socket.off('error', ignore);
      socket.off('close', leave);
      stopWatching();
      release();
      if (isDraining()) refuseWhileDraining(request, answer);
      else answer(undefined, true);
    });
  };

  return {
    admit(request, answer) {
      const decision = admission.decide(RETRIES.test(request.url ?? ''));
      if (decision.kind === 'admitted') {
        answer(undefined, true);
      } else if (decision.kind === 'waits') {
        hold(request, answer);
      } else {
        logger.warn('a connection was refused: more clients connect than the node admits');
        const { retryAfterMs, isExplained } = decision;
        if (isExplained) {
          refusals.set(request, new GatewayError('UNAVAILABLE', { retryAfterMs }));
          answer(undefined, true);
        } else {
          refuseOverloaded(request, answer, retryAfterMs);
        }
      }
      return decision.kind === 'refused';
    },
    begin(connection) {
      const refusal = refusals.get(connection.request);
      if (refusal !== undefined) refusals.set(connection, refusal);
    },
    refusalOf: (connection) => refusals.get(connection),
  };
}

/**
 * Closes a connection that its client has ended. Node.js does not read from an upgraded connection, so it would not notice. What
 * the client sends stays unread, for the websocket.
 * @returns stops watching
 */
function watchEnd(socket: Socket): () => void {
  const look = (): void => {
    if (socket.readableLength === 0) socket.read();
  };
  const end = (): void => void socket.destroy();
  socket.on('readable', look);
  socket.on('end', end);
  return () => {
    socket.off('readable', look);
    socket.off('end', end);
  };
}
