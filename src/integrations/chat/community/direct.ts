import { Types } from 'mongoose';
import type { Chat } from '#shared/models/chat.js';
import { equalText } from '#shared/models/stored-text.js';
import type { Principal } from '../../../auth/principal.js';
import { invalid } from '../../../errors.js';
import type { Context } from '../../../framework/context.js';
import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import {
  type Authentication,
  blockedUser,
  ChatError,
  isBlockBetween,
  isSameAccount,
  type People,
} from '../shared/index.js';
import { chatNotFound } from './access.js';
import type { ChatLists, WireChat } from './lists.js';

interface Dependencies extends Pick<Context, 'models' | 'clock'> {
  authentication: Authentication;
  people: People;
  lists: ChatLists;
}

/** A new chat takes three: the pair, the chat, and reading it. */
const ATTEMPTS = 8;

/**
 * Opens the chat of two users. The pair keeps it single, for repeated and concurrent calls on any node: it is stored with the
 * id of the chat before the chat. A direct chat of another service, or of an earlier version, becomes the chat of the pair when
 * it is first opened.
 */
export function createDirect({ models, clock, authentication, people, lists }: Dependencies) {
  const { Chat, ChatPair } = models;

  /** A direct chat of both that no pair knows. The last active one, if another service made several. */
  const findUnpaired = async ({ key, ids }: Pair): Promise<Chat | null> => {
    const both = {
      // By the index of the two, which has few chats of them, however many each of them has.
      'participants.0': { $in: ids },
      'participants.1': { $in: ids },
      $and: [...ids.map((participants) => ({ participants })), { participants: { $size: 2 } }],
    };
    const keyed = await Chat.findOne({ directKey: equalText(key), ...both }).lean<Chat>();
    if (keyed !== null) return keyed;
    const unkeyed = { type: 'direct' as const, ...both, directKey: { $exists: false } };
    return Chat.findOne(unkeyed).sort({ lastActivity: -1 }).lean<Chat>();
  };

  /** @returns the chat of the pair, if both are still in it */
  const readPaired = async (pair: Pair) => {
    const stored = await ChatPair.findById(pair.key).lean();
    const chat = stored === null ? null : await Chat.findById(stored.chat).lean<Chat>();
    return { claimed: stored?.chat, chat, isOpen: chat !== null && isOf(chat, pair) };
  };

  const find = async (pair: Pair): Promise<Chat | null> => {
    const { chat, isOpen } = await readPaired(pair);
    return isOpen ? chat : findUnpaired(pair);
  };

  const make = async ({ key, ids }: Pair, _id: Types.ObjectId): Promise<void> => {
    await Chat.insertMany([
      { _id, participants: [...ids], type: 'direct', directKey: key, lastActivity: new Date(clock.now()) },
    ]);
  };

  /** Stores the id of the chat, unless another call does. */
  const claim = async ({ key }: Pair, before: Types.ObjectId | undefined, chat: Types.ObjectId): Promise<void> => {
    if (before !== undefined) await ChatPair.updateOne({ _id: key, chat: before }, { $set: { chat } });
    else await ChatPair.updateOne({ _id: key }, { $setOnInsert: { chat } }, { upsert: true });
  };

  /** An earlier version, which may still run, has a unique index of keys: a chat that one of the two has left gives its key up. */
  const releaseKey = async (pair: Pair): Promise<void> => {
    const keyed = await Chat.find({ directKey: equalText(pair.key) }, { participants: 1 }).lean<Chat[]>();
    for (const chat of keyed) {
      if (!isOf(chat, pair)) await Chat.updateOne({ _id: chat._id }, { $unset: { directKey: 1 } });
    }
  };

  /** One step towards the chat of the pair. Each can be repeated, so a call that ends in between leaves the rest to the next. */
  const findOrMakeOnce = async (pair: Pair): Promise<Chat | undefined> => {
    const { claimed, chat, isOpen } = await readPaired(pair);
    if (chat !== null && isOpen) return chat;
    const isMissing = claimed !== undefined && chat === null;
    const other = await findUnpaired(pair);
    if (other === null && isMissing) await make(pair, claimed);
    else await claim(pair, claimed, other?._id ?? new Types.ObjectId());
    return undefined;
  };

  const findOrMake = async (pair: Pair): Promise<Chat> => {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      try {
        const chat = await findOrMakeOnce(pair);
        if (chat !== undefined) return chat;
      } catch (error) {
        // Another call was faster; the next attempt finds what it has stored.
        if (attempt === ATTEMPTS || !isDuplicateKey(error)) throw error;
        if (isDuplicateKey(error, 'directKey')) await releaseKey(pair);
      }
    }
    throw chatNotFound();
  };

  return async function openDirectChat(principal: Principal, participantId: string): Promise<WireChat> {
    const [caller, other] = await Promise.all([authentication.userOf(principal), people.find(participantId)]);
    if (other === undefined) throw new ChatError('NOT_FOUND', 'User not found');
    if (other.id === caller.id) throw invalid('participantId', 'must be another user');
    const pair = toPair(caller.id, other.id);
    // Another service may have created a chat across accounts: it can be opened, but not created here.
    const mayBegin = isSameAccount(caller, other) || (await find(pair)) !== null;
    if (!mayBegin) throw new ChatError('NOT_FOUND', 'User not found');
    if (isBlockBetween(caller, other)) throw blockedUser();
    return lists.showOne(await findOrMake(pair), { ...caller, principal });
  };
}

interface Pair {
  readonly key: string;
  readonly ids: readonly [Types.ObjectId, Types.ObjectId];
}

function toPair(one: string, other: string): Pair {
  const [first, second] = one < other ? [one, other] : [other, one];
  return { key: `${first}:${second}`, ids: [new Types.ObjectId(first), new Types.ObjectId(second)] };
}

/** Whether the two, and no one else, take part. */
const isOf = ({ participants }: Pick<Chat, 'participants'>, { ids }: Pair): boolean =>
  participants.length === ids.length && ids.every((id) => participants.some((one) => one.equals(id)));
