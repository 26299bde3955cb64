import type { GatewaySocket } from './dispatch.js';

/** What is private to the libraries. Each part is looked for before it is touched; without it the general limit stays. */
interface Limited {
  /** Of the transport that polls. */
  maxHttpBufferSize?: unknown;
  /** Of the transport over a WebSocket. */
  socket?: { _receiver?: Receiver };
}

interface Receiver {
  _maxPayload?: unknown;
  _extensions?: Record<string, { _maxPayload?: unknown } | undefined>;
}

/**
 * Lets one connection send larger frames than others. Socket.IO has one limit for all of them, which would have to be that
 * of the largest file, for clients of every namespace and for those that have not said who they are.
 */
export function allowFrames(connection: GatewaySocket['conn'], maxBytes: number): void {
  const raise = (transport: unknown): void => {
    const limited = transport as Limited;
    if (typeof limited.maxHttpBufferSize === 'number') {
      limited.maxHttpBufferSize = Math.max(limited.maxHttpBufferSize, maxBytes);
    }
    const receiver = limited.socket?._receiver;
    for (const limit of [receiver, receiver?._extensions?.['permessage-deflate']]) {
      if (typeof limit?._maxPayload === 'number') limit._maxPayload = Math.max(limit._maxPayload, maxBytes);
    }
  };
  raise(connection.transport);
  if (connection.transport.name === 'polling') connection.once('upgrade', raise);
}
