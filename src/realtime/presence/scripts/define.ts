import type { CommandClient } from '../../../platform/redis/connection.js';
import { defineScript, type ScriptReply } from '../../../platform/redis/script.js';

/**
 * Presence in Redis. A script declares every key that it touches, so that a Redis Cluster refuses it as a whole while its
 * slot is being moved. Times are Redis' own, in milliseconds, except `connectedAt`. After the prefix:
 *
 * | key | type | meaning |
 * |---|---|---|
 * | `epoch` | string | random; changes when Redis has lost its data |
 * | `nodes` | zset | node → end of its lease |
 * | `leased-since` | hash | node → names the time since when its lease has not expired; changes also by a renewal whose answer is lost |
 * | `generations` | hash | node → generation; a write with another one is refused, so that what a broken connection left behind and Redis reads late changes nothing |
 * | `sockets:<node>` | set | `<socket> <user>`, what to remove when the node dies |
 * | `reaper:<node>` | string | the node that removes a dead one's sockets |
 * | `user:<user>` | hash | `<node>:<socket>` → `<connectedAt>:<place>:<account>`; only the account may hold a `:` |
 * | `leaving` | zset | user without a socket → end of the grace time |
 * | `gone` | zset | user whose offline event a node has taken on, or may have sent before Redis lost its data → when another one may, if that was not confirmed |
 * | `accounts` | hash | user in `leaving` or `gone` → account |
 */
const COMMON = `
  local function now()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  end
  -- Number of digits that Lua prints by itself is too small for a time.
  local function text(number) return string.format('%.0f', number) end
  local function lease_of(node) return tonumber(redis.call('ZSCORE', nodes, node) or 0) end
  local function begin_grace(user, account, grace_ms)
    redis.call('ZADD', leaving, text(now() + grace_ms), user)
    redis.call('HSET', accounts, user, account)
  end
`;

/** Keys that all nodes and users of a prefix share. */
type SharedKey = 'epoch' | 'nodes' | 'leased-since' | 'generations' | 'leaving' | 'gone' | 'accounts';

/** A call of a script: the names of its own keys after the prefix, and its arguments. */
export interface PresenceCall {
  readonly keys?: readonly string[];
  readonly args?: readonly (string | number)[];
}

/** A script of presence, for the keys of a prefix. */
export type PresenceScript = (client: CommandClient, prefix: string, call: PresenceCall) => Promise<ScriptReply>;

/**
 * Defines a script.
 *
 * @param shared are local variables in Lua, in the order of `KEYS`
 * @param lua has the keys of each call as `own`
 */
export function defineForPresence(shared: readonly SharedKey[], lua: string): PresenceScript {
  const variables = shared.map((name, i) => `local ${name.replace('-', '_')} = KEYS[${i + 1}]`);
  const own = `local own = { unpack(KEYS, ${shared.length + 1}) }`;
  const run = defineScript([...variables, own, COMMON, lua].join('\n'));
  return (client, prefix, { keys = [], args = [] }) =>
    run(
      client,
      [...shared, ...keys].map((name) => prefix + name),
      args.map(String),
    );
}

/** Name of the key of a user. */
export const userKey = (userId: string): string => `user:${userId}`;
/** Name of the key of a node's sockets. */
export const socketsKey = (node: string): string => `sockets:${node}`;
/** Name of the key of the node that removes the sockets of a dead one. */
export const reaperKey = (node: string): string => `reaper:${node}`;
