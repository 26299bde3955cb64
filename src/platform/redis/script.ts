import { createHash } from 'node:crypto';
import type { CommandClient } from './connection.js';

/** Reply of a script: integers, strings and lists of them. */
export type ScriptReply = number | string | null | ScriptReply[];

/** Runs a Lua script in Redis, atomically. @throws the errors of node-redis, including when Redis is unavailable */
export interface Script {
  (client: CommandClient, keys: readonly string[], args: readonly string[]): Promise<ScriptReply>;
  /**
   * Loads the script on a new connection, ahead of its calls. A call that Redis does not know the script for is repeated, which
   * changes the order of calls. @throws as the script
   */
  load(client: CommandClient, key: string): Promise<unknown>;
}

/**
 * Defines a Lua script that is called by its digest. If Redis does not have it, it is loaded once for all concurrent
 * calls.
 */
export function defineScript(lua: string): Script {
  const sha = createHash('sha1').update(lua).digest('hex');
  const loading = new WeakMap<CommandClient, Promise<unknown>>();
  const load = (client: CommandClient, key: string): Promise<unknown> => {
    const known = loading.get(client);
    if (known !== undefined) return known;
    const started = client.sendCommand(['SCRIPT', 'LOAD', lua], key).finally(() => loading.delete(client));
    loading.set(client, started);
    return started;
  };
  const run = async (client: CommandClient, keys: readonly string[], args: readonly string[]): Promise<ScriptReply> => {
    const [key = ''] = keys;
    const call = ['EVALSHA', sha, String(keys.length), ...keys, ...args];
    try {
      return await client.sendCommand<ScriptReply>(call, key);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      await load(client, key);
      return client.sendCommand<ScriptReply>(call, key);
    }
  };
  return Object.assign(run, { load });
}
