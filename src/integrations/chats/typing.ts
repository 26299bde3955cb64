import type { Clock } from '../../platform/clock.js';
import type { SocketListener } from '../../realtime/integration.js';

/** How long somebody types who does not say so again. */
const TYPING_MS = 5000;

/** Which sockets say that their user types, and where. It belongs to the sockets, and ends with them. */
export interface Typing {
  /** From now on, or for longer. @param ended called once, when it is over for whatever reason */
  start(socketId: string, place: string, ended: () => void): void;
  /** It is over; where nobody types nothing happens. */
  stop(socketId: string, place: string): void;
  readonly listener: SocketListener;
}

interface Typist {
  cancelTimer(): void;
  ended(): void;
}

export function createTyping(clock: Clock): Typing {
  /** socket → place → who types there */
  const sockets = new Map<string, Map<string, Typist>>();

  const take = (socketId: string, place: string): Typist | undefined => {
    const places = sockets.get(socketId);
    const typist = places?.get(place);
    places?.delete(place);
    if (places?.size === 0) sockets.delete(socketId);
    typist?.cancelTimer();
    return typist;
  };

  const stop = (socketId: string, place: string): void => take(socketId, place)?.ended();

  return {
    start(socketId, place, ended) {
      // Whoever goes on typing has not stopped in between.
      take(socketId, place);
      const places = sockets.get(socketId) ?? new Map<string, Typist>();
      places.set(place, { cancelTimer: clock.after(TYPING_MS, () => stop(socketId, place)), ended });
      sockets.set(socketId, places);
    },
    stop,
    listener: {
      connected: () => undefined,
      disconnected({ id }) {
        for (const place of [...(sockets.get(id)?.keys() ?? [])]) stop(id, place);
      },
    },
  };
}
