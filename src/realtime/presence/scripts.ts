import type { CommandClient } from '../../platform/redis/connection.js';
import { defineScript, type ScriptReply } from '../../platform/redis/script.js';

/**
 * Presence in Redis. A script declares every key that it touches, so that a Redis Cluster refuses it as a whole while its
 * slot is being moved. Times are Redis' own, in milliseconds, except `connectedAt`. After the prefix:
 *
 * | key | type | meaning |
 * |---|---|---|
 * | `epoch` | string | random; changes when Redis has lost its data |
 * | `nodes` | zset | node → end of its lease |
 * | `generations` | hash | node → generation; a write with another one is refused, so that what a broken connection left behind and Redis reads late changes nothing |
 * | `sockets:<node>` | set | `<socket> <user>`, what to remove when the node dies |
 * | `reaper:<node>` | string | the node that removes a dead one's sockets |
 * | `user:<user>` | hash | `<node>:<socket>` → `<connectedAt>:<place>:<account>`; only the account may hold a `:` |
 * | `leaving` | zset | user without a socket → end of the grace time |
 * | `gone` | zset | user whose offline event a node has taken on → when another one may, if that was not confirmed |
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
type SharedKey = 'epoch' | 'nodes' | 'generations' | 'leaving' | 'gone' | 'accounts';

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
function script(shared: readonly SharedKey[], lua: string): PresenceScript {
  const variables = shared.map((name, i) => `local ${name} = KEYS[${i + 1}]`);
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

/**
 * Own keys: user, sockets of the node. Arguments: node, generation, user, socket, value.
 * @returns 1 for the user's first socket, 0 for another one, -1 when the generation is not the node's
 */
export const addSocket = script(
  ['generations', 'leaving', 'gone', 'accounts'],
  `
  local node, generation, user, socket, value = unpack(ARGV)
  if redis.call('HGET', generations, node) ~= generation then return -1 end
  local sockets = redis.call('HLEN', own[1])
  local was_leaving = redis.call('ZREM', leaving, user)
  local was_gone = redis.call('ZREM', gone, user)
  redis.call('HSET', own[1], node .. ':' .. socket, value)
  redis.call('SADD', own[2], socket .. ' ' .. user)
  if was_leaving + was_gone > 0 then redis.call('HDEL', accounts, user) end
  return (sockets == 0 and was_leaving == 0) and 1 or 0
`,
);

/**
 * Own keys: user, sockets of the node. Arguments: node, generation, user, socket, account, grace in milliseconds.
 * @returns 2 for the user's last socket, 1 for another one, 0 for one that is not known, -1 as {@link addSocket}
 */
export const removeSocket = script(
  ['generations', 'leaving', 'accounts'],
  `
  local node, generation, user, socket, account, grace_ms = unpack(ARGV)
  if redis.call('HGET', generations, node) ~= generation then return -1 end
  redis.call('SREM', own[2], socket .. ' ' .. user)
  if redis.call('HDEL', own[1], node .. ':' .. socket) == 0 then return 0 end
  if redis.call('HLEN', own[1]) > 0 then return 1 end
  begin_grace(user, account, tonumber(grace_ms))
  return 2
`,
);

/**
 * Own keys: users of whom Redis may have lost that they left. Arguments: grace in milliseconds, then user and account of
 * each.
 */
export const leaveAgain = script(
  ['leaving', 'accounts'],
  `
  for i = 1, #own do
    local user, account = ARGV[2 * i], ARGV[2 * i + 1]
    local is_known = redis.call('HLEN', own[i]) > 0 or redis.call('ZSCORE', leaving, user)
    if not is_known then begin_grace(user, account, tonumber(ARGV[1])) end
  end
`,
);

/**
 * Own keys: users. Sockets of nodes whose lease is over do not count.
 * @returns for each user the number of sockets and the oldest `connectedAt` (0 without any), flat
 */
export const readUsers = script(
  ['nodes'],
  `
  local is_alive, at, answer = {}, now(), {}
  for _, user_key in ipairs(own) do
    local fields = redis.call('HGETALL', user_key)
    local sockets, since = 0, 0
    for i = 1, #fields, 2 do
      local node = string.match(fields[i], '^[^:]*')
      if is_alive[node] == nil then is_alive[node] = lease_of(node) > at end
      if is_alive[node] then
        local connected_at = tonumber(string.match(fields[i + 1], '^%d+'))
        sockets = sockets + 1
        if since == 0 or connected_at < since then since = connected_at end
      end
    end
    table.insert(answer, sockets)
    table.insert(answer, since)
  end
  return answer
`,
);

/**
 * Own keys and arguments: users.
 * @returns those who have a socket, also of a node whose lease is over, or are within the grace time
 */
export const readPresent = script(
  ['leaving'],
  `
  local present = {}
  for i, user in ipairs(ARGV) do
    if redis.call('EXISTS', own[i]) == 1 or redis.call('ZSCORE', leaving, user) then
      table.insert(present, user)
    end
  end
  return present
`,
);

/** Own keys: sockets of nodes. @returns 1 when there is any, else 0 */
export const anySocket = script(
  [],
  `
  for _, sockets in ipairs(own) do
    if redis.call('SCARD', sockets) > 0 then return 1 end
  end
  return 0
`,
);

/** Own key: user. @returns the places of the user's sockets, each once; not of nodes whose lease is over */
export const readPlaces = script(
  ['nodes'],
  `
  local fields, at = redis.call('HGETALL', own[1]), now()
  local is_alive, is_known, places = {}, { [''] = true }, {}
  for i = 1, #fields, 2 do
    local node = string.match(fields[i], '^[^:]*')
    if is_alive[node] == nil then is_alive[node] = lease_of(node) > at end
    local place = string.match(fields[i + 1], '^%d+:([^:]*):') or ''
    if is_alive[node] and not is_known[place] then
      is_known[place] = true
      table.insert(places, place)
    end
  end
  return places
`,
);

/**
 * Own key: user. @returns node, socket, `connectedAt` and place of each socket of the user, flat; not of nodes whose lease
 *   is over
 */
export const readSockets = script(
  ['nodes'],
  `
  local fields, at, is_alive, sockets = redis.call('HGETALL', own[1]), now(), {}, {}
  for i = 1, #fields, 2 do
    local node, socket = string.match(fields[i], '^([^:]*):(.*)$')
    if is_alive[node] == nil then is_alive[node] = lease_of(node) > at end
    if is_alive[node] then
      local connected_at, place = string.match(fields[i + 1], '^(%d+):([^:]*):')
      for _, part in ipairs({ node, socket, connected_at, place }) do table.insert(sockets, part) end
    end
  end
  return sockets
`,
);

/** @returns the nodes whose lease runs */
export const readNodes = script(
  ['nodes'],
  `
  return redis.call('ZRANGEBYSCORE', nodes, '(' .. text(now()), '+inf')
`,
);

/** @returns all nodes, also those whose lease is over and whose sockets are still to be removed */
export const readAllNodes = script(
  ['nodes'],
  `
  return redis.call('ZRANGE', nodes, 0, -1)
`,
);

/**
 * Renews the lease and takes on what is due. Arguments: node, generation, lease in milliseconds, most users to take on.
 * A user in `leaving` or `gone` has no socket, because adding one takes them out.
 * @returns epoch, whether the lease still ran (1, 0), number of other live nodes, the dead nodes, the users whose offline
 *   event was not confirmed, those who are newly offline (both with their accounts, flat), milliseconds until the next
 *   grace time ends (-1: none)
 */
export const tick = script(
  ['epoch', 'nodes', 'generations', 'leaving', 'gone', 'accounts'],
  `
  local node, generation, lease_ms, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
  local at = now()
  if redis.call('EXISTS', epoch) == 0 then
    local time = redis.call('TIME')
    redis.call('SET', epoch, time[1] .. '.' .. time[2] .. '.' .. node)
  end
  local was_alive = lease_of(node) > at and 1 or 0
  -- This node may have sockets of those users that it has yet to register.
  if was_alive == 0 then limit = 0 end
  if generation > tonumber(redis.call('HGET', generations, node) or -1) then
    redis.call('HSET', generations, node, ARGV[2])
  end
  redis.call('ZADD', nodes, text(at + lease_ms), node)
  local others = redis.call('ZCOUNT', nodes, '(' .. text(at), '+inf') - 1
  local dead = redis.call('ZRANGEBYSCORE', nodes, '-inf', text(at), 'LIMIT', 0, 16)

  local function take_on(zset)
    local users = {}
    for _, user in ipairs(redis.call('ZRANGEBYSCORE', zset, '-inf', text(at), 'LIMIT', 0, limit)) do
      redis.call('ZREM', zset, user)
      redis.call('ZADD', gone, text(at + lease_ms), user)
      table.insert(users, user)
      table.insert(users, redis.call('HGET', accounts, user) or '')
    end
    return users
  end
  local unconfirmed = take_on(gone)
  local offline = take_on(leaving)

  local next_due = -1
  local first = redis.call('ZRANGE', leaving, 0, 0, 'WITHSCORES')
  if first[2] then next_due = math.max(0, tonumber(first[2]) - at) end
  return { redis.call('GET', epoch), was_alive, others, dead, unconfirmed, offline, next_due }
`,
);

/** Arguments: users whose offline event has been reported. */
export const confirmOffline = script(
  ['leaving', 'gone', 'accounts'],
  `
  for _, user in ipairs(ARGV) do
    redis.call('ZREM', gone, user)
    if not redis.call('ZSCORE', leaving, user) then redis.call('HDEL', accounts, user) end
  end
`,
);

/** Own keys: sockets and reaper of the dead node. @returns in Lua whether the reaper may remove the sockets of the node */
const MAY_REAP = `
  local function may_reap(dead, reaper)
    -- It is back, and has registered its sockets again.
    if dead ~= reaper and lease_of(dead) > now() then return false end
    local lock = redis.call('GET', own[2])
    return not lock or lock == reaper
  end
`;

/**
 * The first of two steps that remove some sockets of a node whose lease is over: chooses them. Own keys: sockets and
 * reaper of the dead node. Arguments: the dead node, the reaping one, how long in milliseconds no other node may reap it,
 * most sockets to choose, then the members of `sockets:<node>` that were reported since the last call. A socket stays a
 * member until then, so that one whose report is lost, or whose second step did not happen, is chosen again.
 * @returns the members; empty when nothing is left to do here
 */
export const chooseSockets = script(
  ['nodes', 'generations'],
  `${MAY_REAP}
  local dead, reaper, lock_ms, limit = unpack(ARGV, 1, 4)
  if not may_reap(dead, reaper) then return {} end
  redis.call('SET', own[2], reaper, 'PX', lock_ms)
  for i = 5, #ARGV do redis.call('SREM', own[1], ARGV[i]) end
  local members = redis.call('SRANDMEMBER', own[1], limit)
  if #members == 0 then
    redis.call('ZREM', nodes, dead)
    redis.call('HDEL', generations, dead)
    redis.call('DEL', own[2])
  end
  return members
`,
);

/**
 * The second step: removes the chosen sockets from their users. Own keys: sockets and reaper of the dead node, then the
 * user of each member. Arguments: the dead node, the reaping one, grace in milliseconds, then the members.
 * @returns 1, or 0 when the node is back or another one reaps it: nothing was removed
 */
export const reapSockets = script(
  ['nodes', 'leaving', 'accounts'],
  `${MAY_REAP}
  local dead, reaper, grace_ms = unpack(ARGV, 1, 3)
  if not may_reap(dead, reaper) then return 0 end
  for i = 4, #ARGV do
    local socket, user = string.match(ARGV[i], '^(%S*) (.*)$')
    local user_key, field = own[i - 1], dead .. ':' .. socket
    local value = redis.call('HGET', user_key, field)
    if value then
      redis.call('HDEL', user_key, field)
      if redis.call('HLEN', user_key) == 0 then
        begin_grace(user, string.match(value, '^%d+:[^:]*:(.*)$') or '', tonumber(grace_ms))
      end
    end
  end
  return 1
`,
);
