import { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';

/** The most tokens that one notification goes to. */
const TOKENS_MAX = 5000;
/** The most tokens of one user, the newest: a user has a few, and nothing bounds what other services write. */
const TOKENS_OF_USER_MAX = 500;
/** A token of FCM has about 160 characters. */
const TOKEN_MAX = 1024;
/** Lists within lists, up to which tokens are found and removed. */
const NESTING_MAX = 4;

/**
 * Where users can be reached by push. Other services write these documents: a user has one or several, `user_id` is text or
 * an `ObjectId`, and `web_token` a list of tokens, one token as text, or something else, which is ignored.
 */
export function createPushTokens({ FcmToken }: Pick<Models, 'FcmToken'>) {
  const { collection } = FcmToken;
  return {
    /** The tokens of users, each once. */
    async of(userIds: readonly string[]): Promise<string[]> {
      const tokensOf = new Map<string, string[]>();
      for await (const { user_id: user, web_token: stored } of collection.find(ofUsers(userIds), {
        projection: { user_id: 1, web_token: 1 },
      })) {
        const own = tokensOf.get(String(user)) ?? [];
        own.push(...[stored as unknown].flat(NESTING_MAX + 1).filter(isToken));
        tokensOf.set(String(user), own);
      }
      const tokens = [...tokensOf.values()].flatMap((own) => [...new Set(own)].slice(-TOKENS_OF_USER_MAX));
      return [...new Set(tokens)].slice(0, TOKENS_MAX);
    },

    /** Removes tokens of users. */
    async remove(userIds: readonly string[], tokens: readonly string[]): Promise<void> {
      if (tokens.length === 0) return;
      await collection.updateMany(ofUsers(userIds), [{ $set: { web_token: without(tokens) } }]);
    },
  };
}

const isToken = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= TOKEN_MAX;

/** `web_token` without some of its tokens, in whatever form it is stored; an only token leaves an empty list. */
function without(tokens: readonly string[]): object {
  const isGone = (value: string) => ({ $in: [value, { $literal: tokens }] });
  const prune = (list: string, depth: number): object => {
    const kept = { $filter: { input: list, as: `t${depth}`, cond: { $not: [isGone(`$$t${depth}`)] } } };
    if (depth === NESTING_MAX) return kept;
    const inner = `$$l${depth}`;
    const pruned = { $cond: [{ $isArray: [inner] }, prune(inner, depth + 1), inner] };
    return { $map: { input: kept, as: `l${depth}`, in: pruned } };
  };
  return {
    $cond: [{ $isArray: ['$web_token'] }, prune('$web_token', 0), { $cond: [isGone('$web_token'), [], '$web_token'] }],
  };
}

/** Some services store the id of a user as text, others as an `ObjectId`. */
const ofUsers = (userIds: readonly string[]) => ({
  user_id: { $in: userIds.flatMap((id) => (/^[0-9a-f]{24}$/i.test(id) ? [id, new Types.ObjectId(id)] : [id])) },
});
