import type { Models } from '#shared/models/index.js';
import type { SupportMessage } from '#shared/models/support-message.js';
import type { Logger } from '../../../platform/logger.js';

type Message = Pick<SupportMessage, '_id' | 'conversationId' | 'timestamp'> & { readonly position: number };

/** Keeps the last message of each conversation. */
export interface Newest {
  /** A message has been stored and sent. Never rejects: what comes after does not make that undone. */
  note(message: Message): Promise<void>;
}

/**
 * One write for each conversation at a time: what is said meanwhile waits for the next one, and only the last of it is
 * written. So a busy conversation costs as many writes as the database does one after another.
 */
export function createNewest({ models, logger }: { models: Models; logger: Logger }): Newest {
  const writing = new Map<string, Promise<void>>();
  const waiting = new Map<string, { message: Message; written: Promise<void> }>();

  const write = async ({ _id, conversationId, position, timestamp }: Message): Promise<void> => {
    try {
      await models.SupportConversation.updateOne(
        { _id: conversationId, lastPosition: { $not: { $gte: position } } },
        {
          $set: { lastMessage: _id, lastPosition: position, lastMessageAt: timestamp },
          $max: { updatedAt: timestamp },
        },
        { timestamps: false },
      );
    } catch (error) {
      logger.error({ err: error }, 'support: the last message of a conversation was not kept');
    }
  };

  const begin = (id: string, message: Message): Promise<void> => {
    const written = write(message).finally(() => {
      if (writing.get(id) === written) writing.delete(id);
    });
    writing.set(id, written);
    return written;
  };

  return {
    note(message) {
      const id = message.conversationId.toHexString();
      const queued = waiting.get(id);
      if (queued !== undefined) {
        if (message.position > queued.message.position) queued.message = message;
        return queued.written;
      }
      const before = writing.get(id);
      if (before === undefined) return begin(id, message);
      const entry = { message, written: before };
      entry.written = before.then(() => {
        waiting.delete(id);
        return begin(id, entry.message);
      });
      waiting.set(id, entry);
      return entry.written;
    },
  };
}
