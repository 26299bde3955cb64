import type { Model, Types } from 'mongoose';
import type { Clock } from '../../../../platform/clock.js';
import type { Logger } from '../../../../platform/logger.js';

/** A conversation is written when nothing was sent in it for so long. A message writes the position of the one before it. */
const QUIET_MS = 5000;

/** Stores up to which position the messages of conversations have been sent. */
export interface SentPositions {
  note(parent: Types.ObjectId, position: number): void;
  /** Writes what is left. */
  stop(): Promise<void>;
}

interface Dependencies {
  conversations: Pick<Model<unknown>, 'collection'>;
  clock: Clock;
  logger: Logger;
}

/**
 * Stores the position of a message that was stored together with its conversation, and sent then, as `lastPosition`: of all quiet
 * conversations together. If it is lost with the node, nodes that have not seen the conversation send its last message again.
 */
export function createSentPositions({ conversations, clock, logger }: Dependencies): SentPositions {
  const waiting = new Map<string, { parent: Types.ObjectId; position: number; at: number }>();
  let cancel: (() => void) | undefined;

  const flush = async (isQuiet: (at: number) => boolean): Promise<void> => {
    const quiet = [...waiting.values()].filter(({ at }) => isQuiet(at));
    if (quiet.length === 0) return;
    for (const { parent } of quiet) waiting.delete(parent.toHexString());
    const operations = quiet.map(({ parent, position }) => ({
      updateOne: { filter: { _id: parent }, update: { $max: { lastPosition: position } } },
    }));
    await conversations.collection.bulkWrite(operations as never, { ordered: false }).catch((error: unknown) => {
      logger.warn({ err: error }, 'chats: storing the positions of sent messages failed');
    });
  };

  const wait = (): void => {
    cancel ??= clock.after(QUIET_MS, () => {
      cancel = undefined;
      const before = clock.now() - QUIET_MS;
      void flush((at) => at <= before);
      if (waiting.size > 0) wait();
    });
  };

  return {
    note(parent, position) {
      waiting.set(parent.toHexString(), { parent, position, at: clock.now() });
      wait();
    },
    async stop() {
      cancel?.();
      await flush(() => true);
    },
  };
}
