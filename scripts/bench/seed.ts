import { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { ACCOUNT_ID, userIdOf } from './wire.js';

/** People who share a chat, a support conversation and a team conversation. */
const CIRCLE = 10;
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
    const circles = Array.from({ length: Math.ceil(ids.length / CIRCLE) }, (_, n) =>
      ids.slice(n * CIRCLE, (n + 1) * CIRCLE),
    );
    await models.Chat.insertMany(circles.map((participants) => ({ participants, type: 'group' as const })));
    await models.SupportConversation.insertMany(circles.map((participants) => ({ participants })));
    const talks = circles.map((users) => ({
      ...{ _id: new Types.ObjectId(), account, users, title: 'Talk', channel_id: 'x' },
      created_by: users[0] ?? account,
    }));
    await models.Conversation.insertMany(talks);
    await models.Member.insertMany(
      talks.flatMap(({ _id, users, channel_id }) =>
        users.map((user) => ({ conversation: _id, user, account, channel_id, search_key: 'talk' })),
      ),
    );
  }
}
