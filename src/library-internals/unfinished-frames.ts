import type { Socket } from 'node:net';
import type { Logger } from '../platform/logging/logger.js';
import type { Metrics } from '../platform/metrics.js';
import type { Clock } from '../platform/time/clock.js';
import { createDeadlines } from '../platform/time/deadlines.js';

/** Private parts of `ws`. Without them nothing is counted. */
interface Receiver {
  readonly _bufferedBytes: number;
  readonly _buffers: readonly Uint8Array[];
  readonly _fragments: readonly Uint8Array[];
  readonly _maxPayload: number;
  readonly _extensions?: Readonly<Record<string, unknown>>;
}

/** The used parts of a websocket. */
interface WebSocketLike {
  readonly _receiver?: Receiver;
  readonly _socket?: Socket;
  on(event: 'message' | 'close', listener: (this: never) => void): void;
  terminate(): void;
}

/** Maximum unfinished bytes of a node, and of one address, as multiples of the largest message. */
const NODE_MESSAGES = 64;
const ADDRESS_MESSAGES = NODE_MESSAGES / 4;
/** Time limit from the first byte of a message to its last. */
const TIMEOUT_MS = 30_000;
/** Overhead of each chunk of a message. */
const PIECE_BYTES = 256;
/** Allowance of a connection beyond twice its largest message: network chunks have up to 64 KiB. */
const SLACK_BYTES = 262_144;

interface Options {
  /** The largest message of a client in bytes, except files. */
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

/** A websocket with an unfinished message. */
interface Unfinished {
  readonly websocket: Watched;
  readonly address: string;
  /** Memory held for the message. */
  bytes: number;
  /** Counted fragments, and the memory that they hold. */
  fragments: number;
  fragmentBytes: number;
  lastBuffer: ArrayBufferLike | undefined;
}

interface Watch {
  readonly address: string;
  /** Only while there are unfinished messages. */
  unfinished: Unfinished | undefined;
}

/**
 * Limits unfinished websocket messages: in bytes for the node and for each address, and in time. `ws` limits only the size of
 * one message, not the memory of its fragments: a fragment of one byte keeps the whole network chunk that it arrived in. Above
 * a limit the connection with the oldest message is closed, as with HTTP bodies.
 *
 * Large frames have their own limit in number, and here only one for each connection.
 */
export function createUnfinishedBound({ messageMaxBytes, clock, logger, metrics }: Options): BoundUnfinished {
  const nodeMax = NODE_MESSAGES * messageMaxBytes;
  const addressMax = ADDRESS_MESSAGES * messageMaxBytes;
  // Both are in the order in which messages began.
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
    const entry: Unfinished = { websocket, address, bytes: 0, fragments: 0, fragmentBytes: 0, lastBuffer: undefined };
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
    logger.warn('a connection was closed: a message was not completed in time, or held too much memory');
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

  // Shared by all websockets, to save a closure for each idle one. Attached after the listener of `ws`.
  function received(this: Line): void {
    const websocket = this[websocketOfLine];
    if (websocket !== undefined) look(websocket);
  }
  function finished(this: Watched): void {
    end(this[watched]);
    // A decompressed message is complete only after the rest of its chunk was processed.
    const { _receiver: receiver } = this;
    if (receiver?._extensions?.['permessage-deflate'] !== undefined) setImmediate(look, this);
  }
  function closed(this: Watched): void {
    end(this[watched]);
  }

  return function boundUnfinishedFrames(websocket: Watched, address) {
    const line: Line | undefined = websocket._socket;
    if (line === undefined) return;
    websocket[watched] = { address, unfinished: undefined };
    line[websocketOfLine] = websocket;
    line.on('data', received);
    websocket.on('message', finished);
    websocket.on('close', closed);
  };
}

/** Memory held for a message: the chunks of its unfinished frame, and those that its fragments arrived in. */
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
