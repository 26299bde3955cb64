import type { GatewaySocket } from './dispatch.js';

type Connection = GatewaySocket['conn'];

/** What is private to `ws`. Each part is looked for before it is touched; without it the general limit stays. */
interface WebSocketLike {
  readonly _receiver?: Limited & { readonly _extensions?: Readonly<Record<string, Limited | undefined>> };
  pause(): void;
  resume(): void;
}

interface Limited {
  _maxPayload?: unknown;
}

/** Lets some connections send some frames that are larger than those of others. */
export interface LargeFrames {
  /** From now on the connection may send them. */
  admit(connection: Connection): void;
  /** No longer; also when it is closed. */
  dismiss(connection: Connection): void;
}

/**
 * Socket.IO has one limit for the frames of all connections, which would have to be that of the largest file: for clients of
 * every namespace, for those that have not said who they are, and for ten attachments of each packet.
 *
 * A binary event comes as a packet of text that announces its attachments, and then these, each a frame. So the limit of a
 * connection is raised between the one and the other, for a packet that is meant to have large ones, and lowered behind it.
 * No more than `atOnce` connections are read from in between; the others wait, and their senders with them. A sender that
 * takes too long misses its heartbeat, so nobody waits for ever. What a client sends by polling has the general limit.
 *
 * @param announces whether a packet of text announces one large attachment, and no more
 */
export function createLargeFrames({
  announces,
  generalBytes,
  maxBytes,
  atOnce,
}: {
  announces: (packet: string) => boolean;
  generalBytes: number;
  maxBytes: number;
  atOnce: number;
}): LargeFrames {
  const receiving = new Set<Connection>();
  const waiting = new Set<Connection>();

  const begin = (connection: Connection): void => {
    const websocket = websocketOf(connection);
    if (websocket === undefined) return;
    setLimit(websocket, maxBytes);
    if (receiving.size < atOnce) return void receiving.add(connection);
    waiting.add(connection);
    websocket.pause();
  };

  const end = (connection: Connection): void => {
    const hasWaited = waiting.delete(connection);
    if (!receiving.delete(connection) && !hasWaited) return;
    const websocket = websocketOf(connection);
    if (websocket !== undefined) setLimit(websocket, generalBytes);
    // All of it had arrived together with its announcement.
    if (hasWaited) websocket?.resume();
    const [next] = waiting;
    if (next === undefined || receiving.size >= atOnce) return;
    waiting.delete(next);
    receiving.add(next);
    websocketOf(next)?.resume();
  };

  // One function for all connections, so that an idle one costs no closure.
  function look(this: Connection, packet: unknown): void {
    if (typeof packet !== 'string') end(this);
    else if (announces(packet)) begin(this);
  }

  return {
    admit(connection) {
      connection.off('data', look);
      connection.on('data', look);
    },
    dismiss(connection) {
      connection.off('data', look);
      end(connection);
    },
  };
}

function websocketOf({ transport }: Connection): WebSocketLike | undefined {
  if (transport.name !== 'websocket') return undefined;
  return (transport as unknown as { socket?: WebSocketLike }).socket;
}

function setLimit({ _receiver }: WebSocketLike, bytes: number): void {
  for (const limited of [_receiver, _receiver?._extensions?.['permessage-deflate']]) {
    if (typeof limited?._maxPayload === 'number') limited._maxPayload = bytes;
  }
}
