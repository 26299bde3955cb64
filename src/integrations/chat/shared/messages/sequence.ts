import { z } from 'zod';
import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { Clock } from '../../../../platform/clock.js';
import type { Logger } from '../../../../platform/logger.js';
import type { Bus } from '../../../../realtime/bus.js';
import type { Emitter, OutgoingEvent } from '../../../../realtime/emitter.js';
import { createRecent } from './recent.js';

/** Conversations whose place a node remembers. */
const REMEMBERED_MAX = 20_000;
/** Messages of one conversation that wait for others; beyond that they go out as they are. */
const HELD_MAX = 500;
/** How long a message that is not there yet may be on its way; then it is read from the database. */
const PATIENCE_MS = 250;
/** Missing messages that are read at once. */
const READ_MAX = 200;
/** How often the database is asked for what is missing. */
const ATTEMPTS_MAX = 20;

const packetSchema = z.object({
  parent: z.string(),
  position: z.number().int().min(1),
  announced: z.number().int().min(0),
  rooms: z.array(z.string()),
  except: z.array(z.string()).default([]),
  event: z.string(),
  payload: z.unknown().optional(),
});

/** A message that was stored, for those who hear it. */
export interface Packet {
  /** The conversation. */
  readonly parent: string;
  readonly position: number;
  /** The newest position that the conversation names: everything up to there has been announced. */
  readonly announced: number;
  /** Its receivers; can be empty. */
  readonly rooms: readonly string[];
  /** Rooms of those who do not hear this message. */
  readonly except: readonly string[];
  readonly event: string;
  readonly payload?: unknown;
}

/** Sends messages to the sockets of every node in the order of their positions. */
export interface Sequence {
  send(packet: Packet): void;
  stop(): void;
}

interface Dependencies {
  /** Names the chat among the nodes. */
  topic: string;
  bus: Bus;
  emitter: Emitter;
  clock: Clock;
  logger: Logger;
  /** Reads the first stored messages between two positions, as events. */
  readBetween: (gap: Gap) => Promise<{ position: number; event: OutgoingEvent }[]>;
}

/** Positions of a conversation, both excluded, and how many messages to read at most. */
export interface Gap {
  readonly parent: string;
  readonly low: number;
  readonly high: number;
  readonly limit: number;
}

/** How far a node has sent a conversation. */
interface Progress {
  sent: number;
  readonly held: Map<number, Packet>;
  attempts: number;
  cancel: (() => void) | undefined;
}

/**
 * A client that reconnects asks for messages after the last one it received. So no client may receive a message before
 * those with lower positions, which may come from another node, later. Each node sends a conversation without gaps: what
 * comes too early is held until the messages before it are here. Those that do not come in time, because a node died or
 * Redis was away, are read from the database and sent too; when they come after all they are dropped.
 */
export function createSequence(dependencies: Dependencies): Sequence {
  const { topic, bus, emitter, clock, logger, readBetween } = dependencies;
  const known = createRecent<Progress>(REMEMBERED_MAX);
  let isStopped = false;

  const emit = ({ rooms, except }: Pick<Packet, 'rooms' | 'except'>, outgoing: OutgoingEvent): void => {
    if (rooms.length === 0) return;
    try {
      emitter.emit({ namespaces: [chatNamespace], rooms, exceptRoom: except, isLocal: true }, outgoing);
    } catch (error) {
      logger.error({ err: error, event: outgoing.event }, 'chats: a message was not sent');
    }
  };

  const advance = (progress: Progress): void => {
    for (;;) {
      const next = progress.held.get(progress.sent + 1);
      if (next === undefined) break;
      progress.held.delete(next.position);
      progress.sent = next.position;
      progress.attempts = 0;
      emit(next, next);
    }
    if (progress.held.size === 0) {
      progress.cancel?.();
      progress.cancel = undefined;
    }
  };

  const firstHeld = ({ held }: Progress): Packet | undefined =>
    [...held.values()].sort((one, other) => one.position - other.position)[0];

  /** Sends what is missing before the first message that waits. */
  const fillGap = async (progress: Progress): Promise<void> => {
    const first = firstHeld(progress);
    if (first === undefined) return;
    progress.attempts += 1;
    const gap = { parent: first.parent, low: progress.sent, high: first.position, limit: READ_MAX };
    const missing = await readBetween(gap).catch((error: unknown) => {
      if (progress.attempts < ATTEMPTS_MAX) throw error;
      logger.error({ err: error }, 'chats: messages were sent without those before them');
      return [];
    });
    for (const { position, event } of missing) {
      // It may have come meanwhile.
      if (position <= progress.sent) continue;
      progress.sent = position;
      progress.held.delete(position);
      // Excluded users are not stored with it. No client may miss it because of the sender of another message.
      emit({ rooms: first.rooms, except: [] }, event);
      advance(progress);
    }
    if (missing.length === READ_MAX) return fillGap(progress);
    // What is not there was deleted by another service.
    if (progress.sent < first.position) progress.sent = first.position - 1;
    advance(progress);
  };

  const wait = (progress: Progress): void => {
    if (progress.held.size === 0 || progress.cancel !== undefined || isStopped) return;
    progress.cancel = clock.after(PATIENCE_MS, () => {
      fillGap(progress)
        .catch((error: unknown) => logger.warn({ err: error }, 'chats: messages wait for those before them'))
        .finally(() => {
          progress.cancel = undefined;
          wait(progress);
        });
    });
  };

  const take = (packet: Packet): void => {
    const progress = known.get(packet.parent) ?? {
      sent: Math.min(packet.announced, packet.position - 1),
      held: new Map<number, Packet>(),
      attempts: 0,
      cancel: undefined,
    };
    known.set(packet.parent, progress);
    if (packet.position <= progress.sent) return;
    progress.held.set(packet.position, packet);
    advance(progress);
    if (progress.held.size > HELD_MAX) {
      progress.sent = (firstHeld(progress)?.position ?? 1) - 1;
      advance(progress);
    }
    wait(progress);
  };

  bus.subscribe(topic, (message) => {
    const parsed = packetSchema.safeParse(message);
    if (parsed.success) take(parsed.data);
    else logger.warn({ topic }, 'chats: an unreadable message of another node was dropped');
  });

  return {
    send(packet) {
      bus.publish(topic, packet);
      take(packet);
    },
    stop() {
      isStopped = true;
    },
  };
}
