import type { Clock } from '../../../platform/time/clock.js';
import type { SocketListener } from '../../../sockets/socket.js';

/** How long a user counts as typing without a further event. */
export const TYPING_MS = 5000;
/** Maximum number of conversations where one socket can type at once. */
const PLACES_MAX = 10;

/** Typing indicators by socket and conversation. They end with their socket. */
export interface Typing {
  /** Starts typing, or extends it. */
  start(socketId: string, place: string): Typist;
  /** Typing ended. Does nothing when the user was not typing. */
  stop(socketId: string, place: string): void;
  readonly listener: Pick<SocketListener, 'disconnected'>;
}

/** A typing indicator. It is registered synchronously, so that the socket's next event can end it. */
interface Typist {
  /** To be called before the event is sent. @param ended called once, at the end @returns `false`: it has already ended */
  begin(ended: () => void): boolean;
}

interface Entry extends Typist {
  cancelTimer: () => void;
  end(): void;
}

/** To be created once for each chat on a node. Its `listener` must be notified of disconnects. */
export function createTyping(clock: Clock): Typing {
  /** socket → conversation → indicator */
  const sockets = new Map<string, Map<string, Entry>>();

  const stop = (socketId: string, place: string): void => {
    const places = sockets.get(socketId);
    const entry = places?.get(place);
    places?.delete(place);
    if (places?.size === 0) sockets.delete(socketId);
    entry?.end();
  };

  return {
    start(socketId, place) {
      const places = sockets.get(socketId) ?? new Map<string, Entry>();
      sockets.set(socketId, places);
      const entry = places.get(place) ?? createEntry();
      places.set(place, entry);
      entry.cancelTimer();
      entry.cancelTimer = clock.after(TYPING_MS, () => stop(socketId, place));
      const [oldest] = places.keys();
      if (places.size > PLACES_MAX && oldest !== undefined) stop(socketId, oldest);
      return entry;
    },
    stop,
    listener: {
      disconnected({ id }) {
        for (const place of [...(sockets.get(id)?.keys() ?? [])]) stop(id, place);
      },
    },
  };
}

function createEntry(): Entry {
  let onEnd: (() => void) | undefined;
  let isOver = false;
  return {
    cancelTimer: () => undefined,
    begin(ended) {
      if (!isOver) onEnd = ended;
      return !isOver;
    },
    end() {
      this.cancelTimer();
      isOver = true;
      onEnd?.();
    },
  };
}
