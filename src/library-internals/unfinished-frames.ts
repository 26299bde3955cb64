import type { Socket } from 'node:net';
import type { Clock } from '../platform/clock.js';
import { createDeadlines } from '../platform/deadlines.js';
import type { Logger } from '../platform/logger.js';
import type { Metrics } from '../platform/metrics.js';

/** What is private to `ws`. Without it nothing is counted. */
interface Receiver {
  readonly _bufferedBytes: number;
  readonly _buffers: readonly Uint8Array[];
  readonly _fragments: readonly Uint8Array[];
  readonly _maxPayload: number;
  readonly _extensions?: Readonly<Record<string, unknown>>;
}

/** The part of a websocket that this file uses. */
export interface WebSocketLike {
  readonly _receiver?: Receiver;
  readonly _socket?: Socket;
  on(event: 'message' | 'close', listener: (this: never) => void): void;
  terminate(): void;
}

/** Unfinished bytes of a node, and of one address, counted in messages of the largest size. */
const NODE_MESSAGES = 64;
const ADDRESS_MESSAGES = NODE_MESSAGES / 4;
/** How long a message may take from its first byte to its last. */
const TIMEOUT_MS = 30_000;
/** What a piece of a message costs beside its bytes. */
const PIECE_BYTES = 256;
/** What one connection may hold beside twice its largest message: the pieces of a network are up to 64 KiB. */
const SLACK_BYTES = 262_144;

interface Options {
  /** The largest message of a client, files aside, in bytes. */
  messageMaxBytes: number;
  clock: Clock;
  logger: Pick<Logger, 'warn'>;
  metrics: Pick<Metrics, 'connectionsEnded'>;
}

/** Starts to watch a new websocket. @param address key of the client's network address */
export type BoundUnfinished = (websocket: WebSocketLike, address: string) => void;

const watched = Symbol('what is unfinished of a websocket');
type Watched = WebSocketLike & { [watched]?: Watch };
const websocketOfLine = Symbol('the websocket of a TCP connection');
type Line = Socket & { [websocketOfLine]?: Watched };

/** A websocket on which a part of a message has come. */
interface Unfinished {
  readonly websocket: Watched;
  readonly address: string;
  /** Memory that is held for the message. */
  bytes: number;
  /** Fragments that were looked at, and what they hold. */
  fragments: number;
  fragmentBytes: number;
  lastBuffer: ArrayBufferLike | undefined;
}

interface Watch {
  readonly address: string;
  /** Only while there is something. */
  unfinished: Unfinished | undefined;
}

/**
 * Bounds messages of websockets that are not whole yet: over the node and for each address in bytes, and in time. `ws` bounds
 * the bytes of one message only, not what its fragments hold: a fragment of one byte keeps the whole piece of the network in
 * which it came. Beyond a bound the connection that has waited longest is closed, as with bodies of HTTP.
 *
 * Frames that may be larger than a message have bounds of their own in number, and here only for each connection.
 */
export function createUnfinishedBound({ messageMaxBytes, clock, logger, metrics }: Options): BoundUnfinished {
  const nodeMax = NODE_MESSAGES * messageMaxBytes;
  const addressMax = ADDRESS_MESSAGES * messageMaxBytes;
  // Both in the order in which messages began.
  const all = new Set<Unfinished>();
  const ofAddress = new Map<string, { readonly entries: Set<Unfinished>; bytes: number }>();
  let bytes = 0;

  const deadlines = createDeadlines<Unfinished>({ clock, timeoutMs: TIMEOUT_MS }, (entry) => cut(entry));

  const resize = (entry: Unfinished, size: number): void => {
    const own = ofAddress.get(entry.address);
    bytes += size - entry.bytes;
    if (own !== undefined) own.bytes += size - entry.bytes;
    entry.bytes = size;
  };
  const begin = (websocket: Watched, watch: Watch): Unfinished => {
    const { address } = watch;
    const entry: Unfinished = {
      ...{ websocket, address, bytes: 0 },
      ...{ fragments: 0, fragmentBytes: 0, lastBuffer: undefined },
    };
    watch.unfinished = entry;
    all.add(entry);
    const own = ofAddress.get(address) ?? { entries: new Set(), bytes: 0 };
    ofAddress.set(address, own);
    own.entries.add(entry);
    deadlines.begin(entry);
    return entry;
  };
  const end = (watch: Watch | undefined): void => {
    const entry = watch?.unfinished;
    if (watch === undefined || entry === undefined) return;
    watch.unfinished = undefined;
    resize(entry, 0);
    deadlines.end(entry);
    all.delete(entry);
    const own = ofAddress.get(entry.address);
    own?.entries.delete(entry);
    if (own?.entries.size === 0) ofAddress.delete(entry.address);
  };
  const cut = ({ websocket }: Unfinished): void => {
    end(websocket[watched]);
    metrics.connectionsEnded.inc({ reason: 'unfinished_frame' });
    logger.warn('a connection was closed: it kept the node waiting for the rest of a message');
    websocket.terminate();
  };

  const look = (websocket: Watched): void => {
    const { _receiver: receiver, [watched]: watch } = websocket;
    if (receiver === undefined || watch === undefined) return;
    if (receiver._bufferedBytes === 0 && receiver._fragments.length === 0) {
      end(watch);
      return;
    }
    const entry = watch.unfinished ?? begin(websocket, watch);
    const held = measure(entry, receiver);
    if (held > 2 * receiver._maxPayload + SLACK_BYTES) {
      cut(entry);
      return;
    }
    resize(entry, receiver._maxPayload > messageMaxBytes ? 0 : held);
    const own = ofAddress.get(entry.address);
    while (own !== undefined && own.bytes > addressMax) cutFirst(own.entries);
    while (bytes > nodeMax) cutFirst(all);
  };
  const cutFirst = (entries: ReadonlySet<Unfinished>): void => {
    for (const entry of entries) {
      if (entry.bytes === 0) continue;
      cut(entry);
      break;
    }
  };

  // Functions for all websockets, so that an idle one costs no closure. Behind the listener of `ws`.
  function received(this: Line): void {
    const websocket = this[websocketOfLine];
    if (websocket !== undefined) look(websocket);
  }
  function finished(this: Watched): void {
    end(this[watched]);
    // What is unfolded is whole only after the rest of its piece was looked at.
    const { _receiver: receiver } = this;
    if (receiver?._extensions?.['permessage-deflate'] !== undefined) setImmediate(look, this);
  }
  function closed(this: Watched): void {
    end(this[watched]);
  }

  return (websocket: Watched, address) => {
    const line: Line | undefined = websocket._socket;
    if (line === undefined) return;
    websocket[watched] = { address, unfinished: undefined };
    line[websocketOfLine] = websocket;
    line.on('data', received);
    websocket.on('message', finished);
    websocket.on('close', closed);
  };
}

/** Memory that is held for a message: the pieces of its unfinished frame, and those in which its fragments came. */
function measure(entry: Unfinished, { _bufferedBytes, _buffers, _fragments }: Receiver): number {
  if (_fragments.length < entry.fragments) {
    entry.fragments = 0;
    entry.fragmentBytes = 0;
  }
  for (; entry.fragments < _fragments.length; entry.fragments += 1) {
    const buffer = _fragments[entry.fragments]?.buffer;
    entry.fragmentBytes += PIECE_BYTES + (buffer === entry.lastBuffer ? 0 : (buffer?.byteLength ?? 0));
    entry.lastBuffer = buffer;
  }
  return _bufferedBytes + PIECE_BYTES * _buffers.length + entry.fragmentBytes;
}
