import { io, type Socket } from 'socket.io-client';
import { signToken } from '../../../support/gateway.js';
import type { Random } from '../../../support/random.js';
import type { Timeline } from './messages.js';

/** The namespaces to which messages are sent. */
export const NAMESPACES = ['/v1/shared', '/v1/conversation'] as const;

/** What an application does with what comes: acknowledge it at once, later in any order, or never. */
type Habit = 'now' | 'late' | 'never';

/** One connection of a device. */
export interface Link {
  readonly namespace: string;
  /** Everything that came, in order, live and in batches. */
  readonly arrivals: string[];
  readonly isConnected: boolean;
  /** Acknowledges one of those that wait. */
  acknowledgeOne(random: Random): void;
  cut(): void;
  close(): void;
}

/** A device of a user, over all of its connections. */
export class Device {
  readonly user: string;
  readonly id: string;
  readonly links: Link[] = [];
  readonly everyLink: Link[] = [];
  /** Messages that reached it, and those that it has acknowledged. */
  readonly received = new Set<string>();
  readonly acknowledged = new Set<string>();
  /** When it was last told to load everything again. */
  resyncedAt = -1;
  /** Messages whose call began before this were cleared, if they were not acknowledged. */
  clearedUntil = -1;
  readonly #timeline: Timeline;

  constructor(user: string, id: string, timeline: Timeline) {
    this.user = user;
    this.id = id;
    this.#timeline = timeline;
  }

  /** From when a message has reached it, it is certainly stored: it gets everything that is answered later. */
  get isKnown(): boolean {
    return this.received.size > 0;
  }

  /** @param chooseHabit for each event or batch that comes */
  open(url: string, namespace: string, chooseHabit: () => Habit = () => 'now'): Promise<Link> {
    const socket = io(`${url}${namespace}`, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      auth: { token: signToken({ uid: this.user }, { expiresIn: '1d' }), deviceId: this.id },
    });
    const arrivals: string[] = [];
    const waiting: (() => void)[] = [];
    const take = (names: readonly string[], acknowledge: () => void): void => {
      arrivals.push(...names);
      for (const name of names) this.received.add(name);
      const settle = (): void => {
        if (!socket.connected) return;
        acknowledge();
        for (const name of names) this.acknowledged.add(name);
      };
      const habit = chooseHabit();
      if (habit === 'now') settle();
      else if (habit === 'late') waiting.push(settle);
    };
    socket.on('m', (name: string, acknowledge: () => void) => take([name], acknowledge));
    socket.on('_batch', (events: [string, string][], acknowledge: () => void) =>
      take(
        events.map(([, name]) => name),
        acknowledge,
      ),
    );
    socket.on('_resync', () => {
      this.resyncedAt = this.#timeline.next();
    });
    const link: Link = {
      namespace,
      arrivals,
      get isConnected() {
        return socket.connected;
      },
      acknowledgeOne: (random) => void waiting.splice(random.integer(waiting.length), 1)[0]?.(),
      cut: () => cutConnection(socket),
      close: () => void socket.close(),
    };
    this.everyLink.push(link);
    return new Promise((resolve, reject) => {
      socket.once('connect', () => {
        this.links.push(link);
        resolve(link);
      });
      for (const event of ['disconnect', 'connect_error'] as const) {
        socket.once(event, (reason: unknown) => {
          this.#remove(link);
          reject(new Error(`${event}: ${String(reason)}`));
        });
      }
    });
  }

  #remove(link: Link): void {
    const index = this.links.indexOf(link);
    if (index >= 0) this.links.splice(index, 1);
  }
}

/** Ends the connection without a word, as a bad network does. */
function cutConnection(socket: Socket): void {
  const { transport } = socket.io.engine as unknown as { transport?: { ws?: { terminate?(): void } } };
  transport?.ws?.terminate?.();
}
