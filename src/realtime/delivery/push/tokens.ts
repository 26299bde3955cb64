import { type Collection, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';

/** Tokens that one notification is sent to. */
const TOKENS_MAX = 5000;
/** Tokens of one user, the newest. A user has a few; nothing bounds what other services write. */
const TOKENS_OF_USER_MAX = 500;
/** Length of a token; those of FCM have about 160 characters. */
const TOKEN_MAX = 1024;
/** Depth of nested arrays in which tokens are found and removed. */
const NESTING_MAX = 4;

/**
 * The FCM tokens of users. Other services write these documents: a user has one or several, `user_id` is a string or an
 * `ObjectId`, and `web_token` a list of tokens, one token as a string, or something else, which is ignored.
 */
export class PushTokens {
  readonly #collection: Collection;

  constructor({ FcmToken }: Pick<Models, 'FcmToken'>) {
    this.#collection = FcmToken.collection;
  }

  /** The tokens of users, each once. */
  async of(userIds: readonly string[]): Promise<string[]> {
    const tokensOf = new Map<string, string[]>();
    const documents = this.#collection.find(ofUsers(userIds), { projection: { user_id: 1, web_token: 1 } });
    for await (const { user_id: user, web_token: stored } of documents) {
      const own = tokensOf.get(String(user)) ?? [];
      own.push(...[stored as unknown].flat(NESTING_MAX + 1).filter(isToken));
      tokensOf.set(String(user), own);
    }
    const tokens = [...tokensOf.values()].flatMap((own) => [...new Set(own)].slice(-TOKENS_OF_USER_MAX));
    return [...new Set(tokens)].slice(0, TOKENS_MAX);
  }

  /** Removes tokens of users. */
  async remove(userIds: readonly string[], tokens: readonly string[]): Promise<void> {
    if (tokens.length > 0)
      await this.#collection.updateMany(ofUsers(userIds), [{ $set: { web_token: without(tokens) } }]);
  }
}

const isToken = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= TOKEN_MAX;

/** `web_token` without some tokens, in the form in which it is stored. An only token leaves an empty list. */
function without(tokens: readonly string[]): object {
  const isRemoved = (value: string) => ({ $in: [value, { $literal: tokens }] });
  const prune = (list: string, depth: number): object => {
    const kept = { $filter: { input: list, as: `t${depth}`, cond: { $not: [isRemoved(`$$t${depth}`)] } } };
    if (depth === NESTING_MAX) return kept;
    const inner = `$$l${depth}`;
    const pruned = { $cond: [{ $isArray: [inner] }, prune(inner, depth + 1), inner] };
    return { $map: { input: kept, as: `l${depth}`, in: pruned } };
  };
  const pruned = { $cond: [isRemoved('$web_token'), [], '$web_token'] };
  return { $cond: [{ $isArray: ['$web_token'] }, prune('$web_token', 0), pruned] };
}

/** Some services store the id of a user as a string, others as an `ObjectId`. */
const ofUsers = (userIds: readonly string[]) => ({
  user_id: { $in: userIds.flatMap((id) => (/^[0-9a-f]{24}$/i.test(id) ? [id, new Types.ObjectId(id)] : [id])) },
});
