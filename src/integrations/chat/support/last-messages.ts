import type { Models } from '#shared/models/index.js';
import type { SupportMessage } from '#shared/models/support-message.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import type { Logger } from '../../../platform/logging/logger.js';
import type { Write } from '../../../platform/mongo/write-together.js';
import type { SupportLog } from './log.js';

type Message = Pick<SupportMessage, '_id' | 'conversationId' | 'timestamp'> & { readonly position: number };

/** Stores the last message of each conversation. */
export interface LastMessages {
  /**
   * The write of the last message, for the command that stores the message.
   * @param sentUpTo every message up to this position has been sent
   */
  toWrite(message: Message, sentUpTo: number): Write;
  /** To be called after a message was stored and sent. Never rejects: a failure is logged, and the write repeated later. */
  note(message: Message): Promise<void>;
  /** To be called instead when the message was stored by the command of `toWrite`. */
  noteSent(message: Message): void;
}

interface Dependencies {
  models: Models;
  log: Pick<SupportLog, 'noteSent'>;
  settling: Pick<Settling, 'repeat'>;
  logger: Logger;
}

/**
 * Runs one write per conversation at a time. Of messages that arrive during a write, only the last is written. So a busy
 * conversation costs no more writes than the database can do sequentially.
 */
export function createLastMessages({ models, log, settling, logger }: Dependencies): LastMessages {
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

  const noteSent = ({ conversationId, position, timestamp }: Message): void =>
    log.noteSent(conversationId, { position, at: timestamp });

  const write = async (message: Message): Promise<void> => {
    const { filter, update } = toUpdate(message, message.position);
    const { matchedCount } = await models.SupportConversation.collection.updateOne(filter, update);
    // A later message is the last one.
    if (matchedCount === 0) noteSent(message);
  };

  const writeSurely = (message: Message): Promise<void> =>
    write(message).catch((error: unknown) => {
      logger.error({ err: error }, 'support: storing the last message of a conversation failed');
      settling.repeat(`last message ${message.conversationId.toHexString()}`, () => write(message));
    });

  const begin = (id: string, message: Message): Promise<void> => {
    const written = writeSurely(message).finally(() => {
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
    noteSent,
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
