import type { Models } from '#shared/models/index.js';
import { equalText } from '#shared/models/stored-text.js';
import type { SupportMessage } from '#shared/models/support-message.js';
import { GatewayError } from '../../errors.js';
import type { Clock } from '../../platform/clock.js';
import { isDuplicateKey } from '../../platform/duplicate-key.js';
import { type BatchSize, createBatch } from '../../platform/gather.js';
import { acknowledgedReadConcern } from '../../platform/mongo-options.js';

/** A message in the database. */
export interface Stored {
  readonly message: SupportMessage;
  /** `false`: the same call has stored it before. */
  readonly isNew: boolean;
}

/** Stores messages, each `clientMessageId` of a sender in a conversation once. */
export interface MessageStore {
  add(message: SupportMessage): Promise<Stored>;
  /** Stores what is waiting to be stored. */
  flush(): Promise<void>;
}

/** @param batch several messages make one write; `undefined`: each is written at once */
export function createMessageStore({
  models: { SupportMessage: Message },
  clock,
  batch,
}: {
  models: Pick<Models, 'SupportMessage'>;
  clock: Clock;
  batch: BatchSize | undefined;
}): MessageStore {
  /** The unique index has said that a message is there already. */
  const findStored = async (message: SupportMessage): Promise<Stored> => {
    const { conversationId, senderId, senderType, clientMessageId = '' } = message;
    const sent = { conversationId, senderId, senderType, clientMessageId: equalText(clientMessageId) };
    const stored = await Message.findOne(sent).readConcern(acknowledgedReadConcern).lean();
    if (stored === null) throw new GatewayError('CONFLICT');
    return { message: stored, isNew: false };
  };
  const isRepeated = (error: unknown): boolean => isDuplicateKey(error, 'clientMessageId');

  // Messages are made here and of the right form, so they need not pass through Mongoose.
  const { collection } = Message;
  if (batch === undefined) {
    return {
      async add(message) {
        try {
          await collection.insertOne(message);
          return { message, isNew: true };
        } catch (error) {
          if (isRepeated(error)) return findStored(message);
          throw error;
        }
      },
      flush: async () => undefined,
    };
  }

  const writer = createBatch<SupportMessage, Stored>(
    async (messages) => {
      const failures = await collection.insertMany([...messages], { ordered: false }).then(
        () => new Map<number, Error>(),
        (error: unknown) => toFailures(error),
      );
      return Promise.all(
        messages.map((message, index): Stored | Error | Promise<Stored | Error> => {
          const failure = failures.get(index);
          if (failure === undefined) return { message, isNew: true };
          return isRepeated(failure) ? findStored(message).catch((error: Error) => error) : failure;
        }),
      );
    },
    { ...batch, clock },
  );
  return { add: writer.add, flush: writer.flush };
}

/** Which messages of a write failed, and why. @throws what concerns all of them */
function toFailures(error: unknown): Map<number, Error> {
  const { writeErrors } = error as { writeErrors?: unknown };
  if (!Array.isArray(writeErrors) || writeErrors.length === 0) throw error;
  return new Map(
    writeErrors.map(({ index, code, errmsg }: { index: number; code: number; errmsg?: string }) => [
      index,
      Object.assign(new Error(errmsg), { code }),
    ]),
  );
}
