import { isObjectIdOrHexString, Types } from 'mongoose';
import { ChatError } from '../chat-error.js';
import type { MessageKind, OrderedMessage } from './kind.js';
import { type Cursor, isPositioned, type MessageReader } from './reader.js';

/** Finds the messages and cursors in client requests. */
export interface MessageLookup<M> {
  /** @throws ChatError `NOT_FOUND` for a message that is not in the conversation */
  find(parent: Types.ObjectId, id: string): Promise<M>;
  /**
   * @param at a message's id, or a time
   * @throws ChatError `NOT_FOUND` for a message that is not in the conversation
   */
  cursorFor(parent: Types.ObjectId, at: string | undefined, side: 'before' | 'after'): Promise<Cursor | undefined>;
}

/** @param backfill assigns positions in a conversation, for a message that has none */
export function createMessageLookup<M extends OrderedMessage>(
  { model, parent: parentField }: MessageKind<M>,
  reader: MessageReader<M>,
  backfill: (parent: Types.ObjectId) => Promise<void>,
): MessageLookup<M> {
  const read = async (parent: Types.ObjectId, id: string): Promise<M> => {
    const found = await model.collection.findOne({ _id: new Types.ObjectId(id), [parentField]: parent });
    if (found === null) throw new ChatError('NOT_FOUND', 'Message not found or access denied');
    return found as unknown as M;
  };
  const find = async (parent: Types.ObjectId, id: string): Promise<M> => {
    const found = await read(parent, id);
    if (isPositioned(found)) return found;
    await backfill(parent);
    return read(parent, id);
  };
  return {
    find,
    async cursorFor(parent, at, side) {
      if (at === undefined) return undefined;
      if (!isObjectIdOrHexString(at)) return reader.cursorAt(parent, new Date(at), side);
      return reader.cursorOf(await find(parent, at));
    },
  };
}
