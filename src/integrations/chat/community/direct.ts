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

const ATTEMPTS = 3;

/**
 * Opens the chat of two users. The unique key of the pair keeps it single, for repeated and concurrent calls on any node.
 * A direct chat of another service gets its key when it is first opened.
 */
export function createDirect({ models, clock, authentication, people, lists }: Dependencies) {
  const find = async (pair: Pair): Promise<Chat | null> => {
    const both = { $and: [...pair.ids.map((participants) => ({ participants })), { participants: { $size: 2 } }] };
    const keyed = await models.Chat.findOne({ directKey: equalText(pair.key), ...both }).lean<Chat>();
    if (keyed !== null) return keyed;
    const unkeyed = { type: 'direct' as const, ...both, directKey: { $exists: false } };
    return models.Chat.findOneAndUpdate(
      unkeyed,
      { $set: { directKey: pair.key } },
      { sort: { lastActivity: -1 }, returnDocument: 'after' },
    ).lean<Chat>();
  };

  const make = async ({ key, ids }: Pair): Promise<Chat> => {
    const [made] = await models.Chat.insertMany([
      { participants: ids, type: 'direct', directKey: key, lastActivity: new Date(clock.now()) },
    ]);
    if (made === undefined) throw chatNotFound();
    return made.toObject();
  };

  /** Ignores chats that one of the two was removed from. */
  const giveUp = ({ key, ids }: Pair) =>
    models.Chat.updateOne(
      { directKey: equalText(key), participants: { $not: { $all: ids } } },
      { $unset: { directKey: 1 } },
    );

  const findOrMake = async (pair: Pair): Promise<Chat> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return (await find(pair)) ?? (await make(pair));
      } catch (error) {
        // Another call was faster; the next attempt finds its chat.
        if (attempt === ATTEMPTS || !isDuplicateKey(error, 'directKey')) throw error;
        await giveUp(pair);
      }
    }
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
  readonly ids: Types.ObjectId[];
}

function toPair(...users: [string, string]): Pair {
  const sorted = users.sort();
  return { key: sorted.join(':'), ids: sorted.map((id) => new Types.ObjectId(id)) };
}
