import { createHash } from 'node:crypto';
import type { CommandClient } from './connection.js';

/** Reply of a script: integers, strings and lists of them. */
export type ScriptReply = number | string | null | ScriptReply[];

/**
 * Runs a Lua script in Redis, atomically.
 * @param keys every key that the script touches. A Redis Cluster refuses the call while one of them is on another server
 * @throws the errors of node-redis, including when Redis is unavailable
 */
export interface Script {
  (client: CommandClient, keys: readonly string[], args: readonly string[]): Promise<ScriptReply>;
  /** Calls it once. @throws as the script, and `NOSCRIPT` if Redis does not have it */
  runLoaded(client: CommandClient, keys: readonly string[], args: readonly string[]): Promise<ScriptReply>;
  /**
   * Loads the script on a new connection, ahead of its calls. A call that Redis does not know the script for is repeated, which
   * changes the order of calls. @throws as the script
   */
  load(client: CommandClient, key: string): Promise<unknown>;
}

/** Options of {@link defineScript}. */
interface ScriptOptions {
  /** Whether calls are repeated for a time while a Redis Cluster moves their keys; otherwise they are rejected at once. */
  readonly isPatient?: boolean;
}

/**
 * Defines a Lua script that is called by its digest. If Redis does not have it, it is loaded once for all concurrent
 * calls.
 */
export function defineScript(lua: string, { isPatient = true }: ScriptOptions = {}): Script {
  const sha = createHash('sha1').update(lua).digest('hex');
  const loading = new WeakMap<CommandClient, Promise<unknown>>();
  const load = (client: CommandClient, key: string): Promise<unknown> => {
    const known = loading.get(client);
    if (known !== undefined) return known;
    const started = client.sendCommand(['SCRIPT', 'LOAD', lua], key).finally(() => loading.delete(client));
    loading.set(client, started);
    return started;
  };
  const send =
    (...command: string[]): Script['runLoaded'] =>
    (client, keys, args) =>
      client.sendCommand([...command, String(keys.length), ...keys, ...args], keys[0] ?? '', isPatient);
  const runLoaded = send('EVALSHA', sha);
  /** Redis sends it to the server that has the keys. While their slot is moved, this is not the one that scripts are loaded on. */
  const runWithText = send('EVAL', lua);
  const run = async (client: CommandClient, keys: readonly string[], args: readonly string[]): Promise<ScriptReply> => {
    try {
      return await runLoaded(client, keys, args);
    } catch (error) {
      if (!isUnknown(error)) throw error;
    }
    await load(client, keys[0] ?? '');
    try {
      return await runLoaded(client, keys, args);
    } catch (error) {
      if (!isUnknown(error)) throw error;
      return runWithText(client, keys, args);
    }
  };
  return Object.assign(run, { runLoaded, load });
}

/** Whether Redis does not have the script. */
const isUnknown = (error: unknown): boolean => error instanceof Error && error.message.startsWith('NOSCRIPT');
