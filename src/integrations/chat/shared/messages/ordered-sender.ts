import { z } from 'zod';
import { chatNamespace } from '#shared/contracts/namespaces.js';
import { createBoundedMap } from '../../../../platform/bounded-map.js';
import type { Logger } from '../../../../platform/logging/logger.js';
import type { Clock } from '../../../../platform/time/clock.js';
import type { Bus } from '../../../../realtime/bus.js';
import type { Emitter } from '../../../../realtime/emitter.js';
import { safeParse } from '../../../../validation.js';

/** Conversations whose progress a node remembers. */
const REMEMBERED_MAX = 20_000;
/** Messages of one conversation that wait for earlier ones. Above that they are sent anyway. */
const HELD_MAX = 500;
/** How long to wait for a missing message before it is read from the database. */
const PATIENCE_MS = 250;
/** Missing messages in one read. */
const READ_MAX = 200;
/** How often the database is asked for missing messages. */
const ATTEMPTS_MAX = 20;

const eventSchema = z.object({
  parent: z.string(),
  position: z.number().int().min(1),
  announced: z.number().int().min(0),
  // Nodes of an earlier version omit it.
  at: z.number().optional(),
  rooms: z.array(z.string()),
  except: z.array(z.string()).default([]),
  event: z.string(),
  payload: z.unknown().optional(),
});

/** The event of a message, and its receivers. */
export interface AddressedEvent {
  /** Can be empty. */
  readonly rooms: readonly string[];
  /** Rooms to leave out: those of users with a block with the sender. */
  readonly except: readonly string[];
  readonly event: string;
  readonly payload?: unknown;
}

/** A stored message and its receivers. */
interface PositionedEvent extends AddressedEvent {
  /** The conversation. */
  readonly parent: string;
  readonly position: number;
  /** The last position stored in the conversation. Every message up to it has been sent. */
  readonly announced: number;
  /** The time of the message, Unix time in milliseconds. */
  readonly at?: number | undefined;
}

/** Sends messages to the sockets of every node in the order of their positions. */
export interface OrderedSender {
  send(positioned: PositionedEvent): void;
  /** The position up to which this node has sent everything, and knows it from the other nodes; `undefined`: unknown. */
  sentUpTo(parent: string): number | undefined;
  stop(): void;
}

interface Dependencies {
  /** The bus topic of the chat. */
  topic: string;
  bus: Bus;
  emitter: Emitter;
  clock: Clock;
  logger: Logger;
  /** Called for each message that another node has stored and sent. */
  onOther: (positioned: PositionedEvent) => void;
  /** Reads the first stored messages between two positions, as events for those who may receive them now. */
  readBetween: (gap: Gap) => Promise<(AddressedEvent & { readonly position: number })[]>;
}

/** A range of positions, exclusive, and the maximum number of messages to read. */
interface Gap {
  readonly parent: string;
  readonly low: number;
  readonly high: number;
  readonly limit: number;
}

/** The messages of a conversation that a node has sent, and those that wait. */
interface Progress {
  sent: number;
  readonly held: Map<number, PositionedEvent>;
  attempts: number;
  cancel: (() => void) | undefined;
}

/**
 * A client that reconnects asks for messages after the last one it received. So no client may receive a message before
 * those with lower positions, which another node may send later. Each node therefore sends a conversation without gaps: a
 * message that arrives early is held until the earlier ones have arrived. Those that do not arrive in time, because a node
 * died or Redis was unreachable, are read from the database and sent; if they arrive later they are dropped.
 */
export function createOrderedSender(dependencies: Dependencies): OrderedSender {
  const { topic, bus, emitter, clock, logger, onOther, readBetween } = dependencies;
  const known = createBoundedMap<Progress>(REMEMBERED_MAX);
  let isStopped = false;

  const emit = ({ rooms, except, event, payload }: AddressedEvent): void => {
    if (rooms.length === 0) return;
    try {
      const target = { namespaces: [chatNamespace], rooms, exceptRoom: except, isLocal: true };
      emitter.emit(target, { event, payload });
    } catch (error) {
      logger.error({ err: error, name: event }, 'chats: sending a message failed');
    }
  };

  const advance = (progress: Progress): void => {
    for (;;) {
      const next = progress.held.get(progress.sent + 1);
      if (next === undefined) break;
      progress.held.delete(next.position);
      progress.sent = next.position;
      progress.attempts = 0;
      emit(next);
    }
    if (progress.held.size === 0) {
      progress.cancel?.();
      progress.cancel = undefined;
    }
  };

  const firstHeld = ({ held }: Progress): PositionedEvent | undefined =>
    [...held.values()].sort((one, other) => one.position - other.position)[0];

  /** Reads and sends the messages missing before the first held one. */
  const fillGap = async (progress: Progress): Promise<void> => {
    const first = firstHeld(progress);
    if (first === undefined) return;
    progress.attempts += 1;
    const gap = { parent: first.parent, low: progress.sent, high: first.position, limit: READ_MAX };
    const missing = await readBetween(gap).catch((error: unknown) => {
      if (progress.attempts < ATTEMPTS_MAX) throw error;
      logger.error({ err: error }, 'chats: messages were sent without earlier ones that could not be read');
      return [];
    });
    for (const found of missing) {
      // It may have arrived during the read.
      if (found.position <= progress.sent) continue;
      progress.sent = found.position;
      progress.held.delete(found.position);
      emit(found);
      advance(progress);
    }
    if (missing.length === READ_MAX) return fillGap(progress);
    // Messages that were not found were deleted by another service.
    if (progress.sent < first.position) progress.sent = first.position - 1;
    advance(progress);
  };

  const wait = (progress: Progress): void => {
    if (progress.held.size === 0 || progress.cancel !== undefined || isStopped) return;
    progress.cancel = clock.after(PATIENCE_MS, () => {
      fillGap(progress)
        .catch((error: unknown) => logger.warn({ err: error }, 'chats: reading missing messages failed; retrying'))
        .finally(() => {
          progress.cancel = undefined;
          wait(progress);
        });
    });
  };

  const take = (positioned: PositionedEvent): void => {
    const progress = known.get(positioned.parent) ?? {
      sent: Math.min(positioned.announced, positioned.position - 1),
      held: new Map<number, PositionedEvent>(),
      attempts: 0,
      cancel: undefined,
    };
    known.set(positioned.parent, progress);
    if (positioned.position <= progress.sent) return;
    progress.held.set(positioned.position, positioned);
    advance(progress);
    if (progress.held.size > HELD_MAX) {
      progress.sent = (firstHeld(progress)?.position ?? 1) - 1;
      advance(progress);
    }
    wait(progress);
  };

  bus.subscribe(topic, (message) => {
    const parsed = safeParse(eventSchema, message);
    if (parsed.success) {
      onOther(parsed.data);
      take(parsed.data);
    } else logger.warn({ topic }, 'chats: an invalid message of another node was dropped');
  });

  return {
    send(positioned) {
      bus.publish(topic, positioned);
      take(positioned);
    },
    sentUpTo: (parent) => known.get(parent)?.sent,
    stop() {
      isStopped = true;
    },
  };
}
