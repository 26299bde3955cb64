import type { Models } from '#shared/models/index.js';
import type { SupportMessage } from '#shared/models/support-message.js';
import type { Logger } from '../../../platform/logger.js';

type Message = Pick<SupportMessage, '_id' | 'conversationId' | 'timestamp'> & { readonly position: number };

/** Stores the last message of each conversation. */
export interface LastMessages {
  /** To be called after a message was stored and sent. Never rejects: failures are logged. */
  note(message: Message): Promise<void>;
}

/**
 * Runs one write per conversation at a time. Of messages that arrive during a write, only the last is written. So a busy
 * conversation costs no more writes than the database can do sequentially.
 */
export function createLastMessages({ models, logger }: { models: Models; logger: Logger }): LastMessages {
  const writing = new Map<string, Promise<void>>();
  const waiting = new Map<string, { message: Message; written: Promise<void> }>();

  const write = async ({ _id, conversationId, position, timestamp }: Message): Promise<void> => {
    try {
      await models.SupportConversation.collection.updateOne(
        { _id: conversationId, lastPosition: { $not: { $gte: position } } },
        {
          $set: { lastMessage: _id, lastPosition: position, lastMessageAt: timestamp },
          $max: { updatedAt: timestamp },
        },
      );
    } catch (error) {
      logger.error({ err: error }, 'support: storing the last message of a conversation failed');
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
