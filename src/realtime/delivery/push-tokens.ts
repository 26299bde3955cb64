import { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';

/** The most tokens that one notification goes to: a person has a few, and nothing bounds what others write. */
const TOKENS_MAX = 2000;

/** Where users can be reached by push. */
export function createPushTokens({ FcmToken }: Pick<Models, 'FcmToken'>) {
  const { collection } = FcmToken;
  return {
    /** The tokens of users, each once. */
    async of(userIds: readonly string[]): Promise<string[]> {
      const documents = await collection.find(ofUsers(userIds), { projection: { web_token: 1 } }).toArray();
      const tokens = documents.flatMap(({ web_token: stored }) => stored as unknown);
      return [...new Set(tokens.filter(isToken))].slice(0, TOKENS_MAX);
    },

    /** Forgets tokens of users. */
    async remove(userIds: readonly string[], tokens: readonly string[]): Promise<void> {
      if (tokens.length === 0) return;
      const removal = { $pull: { web_token: { $in: tokens } } };
      await collection.updateMany({ ...ofUsers(userIds), web_token: { $in: [...tokens] } }, removal as never);
    },
  };
}

const isToken = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** Some services store the id of a user as text, others as what it is. */
const ofUsers = (userIds: readonly string[]) => ({
  user_id: { $in: userIds.flatMap((id) => (/^[0-9a-f]{24}$/i.test(id) ? [id, new Types.ObjectId(id)] : [id])) },
});
