import type { Models } from '#shared/models/index.js';
import type { SupportMessage } from '#shared/models/support-message.js';
import type { Logger } from '../../../platform/logger.js';
import type { Write } from '../../../platform/mongo/write-together.js';

type Message = Pick<SupportMessage, '_id' | 'conversationId' | 'timestamp'> & { readonly position: number };

/** Stores the last message of each conversation. */
export interface LastMessages {
  /**
   * The write of the last message, for the command that stores the message.
   * @param sentUpTo every message up to this position has been sent
   */
  toWrite(message: Message, sentUpTo: number): Write;
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

  const toUpdate = ({ _id, conversationId, position, timestamp }: Message, sentUpTo: number) => {
    const isEarlier = { $not: { $gte: position } };
    return {
      filter: { _id: conversationId, lastPosition: isEarlier, storedPosition: isEarlier },
      update: {
        $set: { lastMessage: _id, storedPosition: position, lastMessageAt: timestamp },
        $max: { updatedAt: timestamp, lastPosition: sentUpTo },
      },
    };
  };

  const write = async (message: Message): Promise<void> => {
    const { filter, update } = toUpdate(message, message.position);
    try {
      await models.SupportConversation.collection.updateOne(filter, update);
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
    toWrite: (message, sentUpTo) => ({
      collection: models.SupportConversation.collection.collectionName,
      ...toUpdate(message, sentUpTo),
    }),
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
