import { isObjectIdOrHexString, Types } from 'mongoose';
import { ChatError } from '../chat-error.js';
import type { MessageKind, OrderedMessage } from './kind.js';
import { isPositioned, type MessageOrder, type Place } from './order.js';

/** Finds the messages and cursors in client requests. */
export interface MessagePlaces<M> {
  /** @throws ChatError `NOT_FOUND` for a message that is not in the conversation */
  find(parent: Types.ObjectId, id: string): Promise<M>;
  /**
   * @param at a message's id, or a time
   * @throws ChatError `NOT_FOUND` for a message that is not in the conversation
   */
  placeNamed(parent: Types.ObjectId, at: string | undefined, side: 'before' | 'after'): Promise<Place | undefined>;
}

export function createMessagePlaces<M extends OrderedMessage>(
  { model, parent: parentField }: MessageKind<M>,
  order: MessageOrder<M>,
  adopt: (parent: Types.ObjectId) => Promise<void>,
): MessagePlaces<M> {
  const read = async (parent: Types.ObjectId, id: string): Promise<M> => {
    const found = await model.collection.findOne({ _id: new Types.ObjectId(id), [parentField]: parent });
    if (found === null) throw new ChatError('NOT_FOUND', 'Message not found or access denied');
    return found as unknown as M;
  };
  const find = async (parent: Types.ObjectId, id: string): Promise<M> => {
    const found = await read(parent, id);
    if (isPositioned(found)) return found;
    await adopt(parent);
    return read(parent, id);
  };
  return {
    find,
    async placeNamed(parent, at, side) {
      if (at === undefined) return undefined;
      if (!isObjectIdOrHexString(at)) return order.placeAt(parent, new Date(at), side);
      return order.placeOf(await find(parent, at));
    },
  };
}
