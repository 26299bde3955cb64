import { isDuplicateKey } from '../../../../platform/mongo/duplicate-key.js';
import { acknowledgedReadConcern } from '../../../../platform/mongo/options.js';
import type { MessageKind, OrderedMessage } from './kind.js';

/** Finds out whether a message that was refused, or whose reply was lost, is stored already. */
export interface StoredBefore<M> {
  /**
   * The message of an earlier call with the same `clientMessageId`, or the message itself if an attempt stored it late, if that can be
   * the reason for a refusal.
   */
  findRetried(message: M, refusal: unknown): Promise<M | undefined>;
  /** The message itself, if an attempt stored it whose reply was lost. */
  findOwn(message: M): Promise<M | undefined>;
}

/** @param findStored finds the message with the same `clientMessageId` of the same sender in the same conversation */
export const createStoredBefore = <M extends OrderedMessage>(
  { model, parent }: Pick<MessageKind<M>, 'model' | 'parent'>,
  findStored: (message: M) => Promise<M | null>,
): StoredBefore<M> => {
  const findOwn = async (message: M): Promise<M | undefined> => {
    const own = { _id: message._id, [parent]: message[parent] };
    // A linearizable read, because a fail-over can undo a write of which nothing more is known.
    const found = await model.collection.findOne(own as never, { readConcern: acknowledgedReadConcern });
    return (found as M | null) ?? undefined;
  };
  return {
    async findRetried(message, refusal) {
      const own = isDuplicateKey(refusal, '_id') ? await findOwn(message) : undefined;
      if (own !== undefined) return own;
      if (message.clientMessageId === undefined || !isDuplicateKey(refusal, 'clientMessageId')) return undefined;
      return (await findStored(message)) ?? undefined;
    },
    findOwn,
  };
};
