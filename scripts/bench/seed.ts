import { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { ACCOUNT_ID, CHANNEL, CIRCLE, sharedIdOf, userIdOf } from './wire.js';

const BATCH = 2000;

/**
 * Stores the users of the benchmark as the platform has them: in `_users`, and each in chats and conversations with nine
 * others.
 */
export async function seedUsers(models: Models, count: number): Promise<void> {
  const account = new Types.ObjectId(ACCOUNT_ID);
  for (let start = 0; start < count; start += BATCH) {
    const ids = Array.from(
      { length: Math.min(BATCH, count - start) },
      (_, n) => new Types.ObjectId(userIdOf(start + n)),
    );
    await models.User.insertMany(
      ids.map((_id, n) => ({
        _id,
        account,
        firstName: 'User',
        lastName: `${start + n}`,
        status: 'active',
        isActive: true,
      })),
    );
    const circles = Array.from({ length: Math.ceil(ids.length / CIRCLE) }, (_, n) => ({
      _id: new Types.ObjectId(sharedIdOf(start / CIRCLE + n)),
      people: ids.slice(n * CIRCLE, (n + 1) * CIRCLE),
    }));
    await models.Chat.insertMany(
      circles.map(({ _id, people }) => ({ _id, participants: people, type: 'group' as const })),
    );
    await models.SupportConversation.insertMany(circles.map(({ _id, people }) => ({ _id, participants: people })));
    await addConversations(
      models,
      circles.map(({ _id, people }) => ({ _id, users: people })),
    );
  }
}

/** Conversations of each of the users who ask for lists. */
export interface Lists {
  /** The first so many users. */
  readonly users: number;
  readonly conversationsEach: number;
}

/** Adds further team conversations to the circles of some users. */
export async function seedLists(models: Models, { users, conversationsEach }: Lists): Promise<void> {
  for (let first = 0; first < users; first += CIRCLE) {
    const people = Array.from({ length: CIRCLE }, (_, n) => new Types.ObjectId(userIdOf(first + n)));
    await addConversations(
      models,
      Array.from({ length: conversationsEach }, () => ({ _id: new Types.ObjectId(), users: people })),
    );
  }
}

async function addConversations(
  { Conversation, Member }: Models,
  added: readonly { _id: Types.ObjectId; users: Types.ObjectId[] }[],
): Promise<void> {
  const account = new Types.ObjectId(ACCOUNT_ID);
  await Conversation.insertMany(
    added.map(({ _id, users }) => ({
      _id,
      account,
      users,
      title: 'Talk',
      channel_id: CHANNEL,
      created_by: users[0] ?? account,
    })),
  );
  await Member.insertMany(
    added.flatMap(({ _id, users }) =>
      users.map((user) => ({ conversation: _id, user, account, channel_id: CHANNEL, search_key: 'talk' })),
    ),
  );
}
