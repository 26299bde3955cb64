import type { Types } from 'mongoose';
import type { Logger } from '../../../../platform/logging/logger.js';
import type { Clock } from '../../../../platform/time/clock.js';
import type { MessageKind } from './kind.js';

/** A conversation is written when nothing was sent in it for so long. A message writes the position of the one before it. */
const QUIET_MS = 5000;

/** A message that was sent. */
interface Sent {
  readonly position: number;
  readonly at: Date;
}

/** Stores up to which position the messages of conversations have been sent, and that each conversation has moved since. */
export interface SentPositions {
  note(parent: Types.ObjectId, sent: Sent): void;
  /** Writes what is left. */
  stop(): Promise<void>;
}

interface Dependencies {
  kind: Pick<MessageKind<never>, 'conversations' | 'movedAt'>;
  clock: Clock;
  logger: Logger;
}

/**
 * Stores the position of a message that was stored together with its conversation, and sent then, as `lastPosition`: of all quiet
 * conversations together. If it is lost with the node, nodes that have not seen the conversation send its last message again.
 *
 * The time of the message is stored with it. A later message of a node whose clock is behind may have been stored before the message
 * became the last one, and clients keep the later of the times that they were sent.
 */
export function createSentPositions({ kind, clock, logger }: Dependencies): SentPositions {
  const waiting = new Map<string, Sent & { parent: Types.ObjectId; notedAt: number }>();
  let cancel: (() => void) | undefined;

  const flush = async (isQuiet: (notedAt: number) => boolean): Promise<void> => {
    const quiet = [...waiting.values()].filter(({ notedAt }) => isQuiet(notedAt));
    if (quiet.length === 0) return;
    for (const { parent } of quiet) waiting.delete(parent.toHexString());
    const operations = quiet.map(({ parent, position, at }) => ({
      updateOne: { filter: { _id: parent }, update: { $max: { lastPosition: position, [kind.movedAt]: at } } },
    }));
    await kind.conversations.collection.bulkWrite(operations as never, { ordered: false }).catch((error: unknown) => {
      logger.warn({ err: error }, 'chats: storing the positions of sent messages failed');
    });
  };

  const wait = (): void => {
    cancel ??= clock.after(QUIET_MS, () => {
      cancel = undefined;
      const before = clock.now() - QUIET_MS;
      void flush((notedAt) => notedAt <= before);
      if (waiting.size > 0) wait();
    });
  };

  return {
    note(parent, { position, at }) {
      const id = parent.toHexString();
      const before = waiting.get(id) ?? { position, at };
      waiting.set(id, {
        parent,
        position: Math.max(before.position, position),
        at: before.at > at ? before.at : at,
        notedAt: clock.now(),
      });
      wait();
    },
    async stop() {
      cancel?.();
      await flush(() => true);
    },
  };
}
