import { createHash } from 'node:crypto';
import type { RedisClient } from './redis.js';

/** What a script of ours answers with: integers, strings and lists of them. */
export type ScriptReply = number | string | null | ScriptReply[];

/** Runs a Lua script in Redis, atomically. @throws whatever node-redis throws, also when Redis is away */
export type Script = (client: RedisClient, keys: readonly string[], args: readonly string[]) => Promise<ScriptReply>;

/** Makes a Lua script callable: by its digest, and with its text only when Redis does not know it (yet, or any more). */
export function defineScript(lua: string): Script {
  const sha = createHash('sha1').update(lua).digest('hex');
  return async (client, keys, args) => {
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await client.sendCommand<ScriptReply>(['EVALSHA', sha, ...rest]);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return client.sendCommand<ScriptReply>(['EVAL', lua, ...rest]);
    }
  };
}
