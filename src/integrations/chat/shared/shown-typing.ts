import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { Context } from '../../../framework/context.js';
import { TYPING_MS } from './typing.js';

/** How much later than it should have ended a typing indicator is taken back. */
const LATE_MS = 5000;
/** Attempts to read who may hear of it, {@link LATE_MS} apart. */
const ATTEMPTS = 60;

/** Who was shown a typing indicator. */
interface Shown {
  readonly rooms: readonly string[];
  readonly except: readonly string[];
}

interface Options extends Pick<Context, 'clock' | 'emitter' | 'logger' | 'onHeard'> {
  /** The events by which an indicator is shown and taken back. */
  readonly events: { readonly started: string; readonly stopped: string };
  /** The field of their payloads that has the conversation. */
  readonly placeField: string;
  /** The rooms of those who are in a conversation now. */
  readonly readRooms: (place: string) => Promise<readonly string[]>;
}

/** What both events say. */
interface Payload {
  readonly userId: string;
  readonly [placeField: string]: string;
}

/** The typing indicators that clients of this node show. */
export interface ShownTyping {
  show(payload: Payload, shown: Shown): void;
  /** The clients were told of the end. */
  hide(payload: Payload): void;
}

/**
 * Takes back typing indicators whose end was not sent: the node of the user died, Redis or the database was away. To be
 * told of what this node sends; it hears by itself what others do. Those who have left the conversation meanwhile are told nothing.
 */
export function createShownTyping(options: Options): ShownTyping {
  const { clock, emitter, logger, onHeard, events, placeField, readRooms } = options;
  /** Cancels, by conversation and user. */
  const limits = new Map<string, () => void>();
  const keyOf = (payload: Payload): string => `${payload[placeField]} ${payload.userId}`;

  const hide = (payload: Payload): void => {
    limits.get(keyOf(payload))?.();
    limits.delete(keyOf(payload));
  };

  const takeBack = async (payload: Payload, shown: Shown, attempts: number): Promise<void> => {
    const key = keyOf(payload);
    const place = payload[placeField] ?? '';
    const limit = limits.get(key);
    try {
      const present = new Set(await readRooms(place));
      // The user may have typed on meanwhile.
      if (limits.get(key) !== limit) return;
      limits.delete(key);
      const target = { namespaces: [chatNamespace], exceptRoom: shown.except, isLocal: true };
      const stopped = { userId: payload.userId, [placeField]: place };
      emitter.emit(
        { ...target, rooms: shown.rooms.filter((room) => present.has(room)) },
        { event: events.stopped, payload: stopped },
      );
    } catch (error) {
      if (limits.get(key) !== limit) return;
      if (attempts < ATTEMPTS) wait(payload, shown, { delayMs: LATE_MS, attempts: attempts + 1 });
      else {
        limits.delete(key);
        logger.warn({ err: error }, 'chats: taking back a typing indicator failed');
      }
    }
  };

  const wait = (payload: Payload, shown: Shown, { delayMs, attempts }: { delayMs: number; attempts: number }): void => {
    hide(payload);
    const cancel = clock.after(delayMs, () => void takeBack(payload, shown, attempts));
    limits.set(keyOf(payload), cancel);
  };
  const show = (payload: Payload, shown: Shown): void =>
    wait(payload, shown, { delayMs: TYPING_MS + LATE_MS, attempts: 1 });

  onHeard(events.started, ({ payload, ...shown }) => show(payload as Payload, shown));
  onHeard(events.stopped, ({ payload }) => hide(payload as Payload));
  return { show, hide };
}
