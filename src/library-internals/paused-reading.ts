import type { Socket as Line } from 'node:net';

/** The used parts of a websocket. `_socket` is private to `ws`; its presence is checked. */
export interface PausableWebSocket {
  readonly _socket?: Line | null;
  pause(): void;
  resume(): void;
}

const pauses = Symbol('how often the reading of a websocket was paused and not resumed');
type Counted = PausableWebSocket & { [pauses]?: number };

/** Stops reading a websocket. What has been read before is still handled. */
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
