import type { Socket as Line } from 'node:net';

/** What is handled at once of a websocket, before the next check whether it was paused meanwhile. */
export const SLICE_BYTES = 2048;

/** Takes apart what arrives on a line. */
interface Receiver {
  [lineOf]?: Line;
  write(chunk: Buffer): boolean;
}
const lineOf = Symbol('the line of a receiver');

/** The used parts of a websocket. `_socket` is private to `ws`, as `_receiver` is; their presence is checked. */
export interface PausableWebSocket {
  readonly _socket?: Line | null;
  pause(): void;
  resume(): void;
}

const pauses = Symbol('how often the reading of a websocket was paused and not resumed');
type Counted = PausableWebSocket & { [pauses]?: number };

/** A websocket with the part that {@link handleInSlices} uses. */
export interface SlicedWebSocket extends Pick<PausableWebSocket, '_socket'> {
  readonly _receiver?: Receiver;
}

/**
 * Handles what arrives of a new websocket in slices of {@link SLICE_BYTES}. A chunk of the network can hold thousands of packets,
 * and when one of them makes the gateway pause the websocket, those behind it wait too.
 */
export function handleInSlices({ _socket: line, _receiver: receiver }: SlicedWebSocket): void {
  if (line === null || line === undefined || receiver === undefined) return;
  receiver[lineOf] = line;
  receiver.write = writeSlices;
}

// Shared by all receivers, to save a closure for each idle one.
function writeSlices(this: Receiver, chunk: Buffer): boolean {
  const { write } = Object.getPrototypeOf(this) as Receiver;
  const line = this[lineOf];
  for (let end = SLICE_BYTES; ; end += SLICE_BYTES) {
    const hasRoom = write.call(this, chunk.subarray(end - SLICE_BYTES, end));
    if (end >= chunk.length) return hasRoom;
    if (hasRoom && line?.isPaused() === false) continue;
    // What a client has sent before it was cut off is not handled any more.
    if (line?.destroyed !== false) return hasRoom;
    // A receiver without room makes `ws` pause the line only later, and a line that flows would hand over the rest at once.
    line.pause();
    line.unshift(chunk.subarray(end));
    return hasRoom;
  }
}

/** Stops reading a websocket. What is being handled is handled to the end of its slice. */
export function pauseReading(websocket: Counted): void {
  websocket[pauses] = (websocket[pauses] ?? 0) + 1;
  websocket.pause();
}

/** Takes back one call of {@link pauseReading}. When all are taken back, the websocket is read. */
export function resumeReading(websocket: Counted): void {
  websocket[pauses] = (websocket[pauses] ?? 1) - 1;
  if (websocket[pauses] === 0) websocket.resume();
}

/**
 * Handles some of what the client of a paused websocket has sent, unless others have paused it too.
 * @returns whether more of it waits
 */
export function readSome(websocket: Counted, bytes: number): boolean {
  if (websocket[pauses] !== 1) return true;
  const line = websocket._socket ?? undefined;
  const arrived = line?.readableLength ?? 0;
  // Of a paused stream too, what is read goes to the listeners of `data`. Reading nothing begins to receive.
  line?.read(Math.min(bytes, arrived));
  return arrived > bytes;
}
