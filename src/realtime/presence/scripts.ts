import { defineScript } from '../../platform/redis/script.js';

/**
 * Presence in Redis. Every key begins with the prefix, the scripts' only `KEYS` entry; one Redis, not a cluster, because a
 * script names the keys of users as it finds them. Times are Redis' own, in milliseconds, except `connectedAt`.
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
  local prefix = KEYS[1]
  local function key(name) return prefix .. name end
  local function now()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  end
  -- Number of digits that Lua prints by itself is too small for a time.
  local function text(number) return string.format('%.0f', number) end
  local function lease_of(node) return tonumber(redis.call('ZSCORE', key('nodes'), node) or 0) end
  local function begin_grace(user, account, grace_ms)
    redis.call('ZADD', key('leaving'), text(now() + grace_ms), user)
    redis.call('HSET', key('accounts'), user, account)
  end
`;

const script = (lua: string) => defineScript(COMMON + lua);

/**
 * Arguments: node, generation, user, socket, value.
 * @returns 1 for the user's first socket, 0 for another one, -1 when the generation is not the node's
 */
export const addSocket = script(`
  local node, generation, user, socket, value = unpack(ARGV)
  if redis.call('HGET', key('generations'), node) ~= generation then return -1 end
  local sockets = redis.call('HLEN', key('user:' .. user))
  local was_leaving = redis.call('ZREM', key('leaving'), user)
  local was_gone = redis.call('ZREM', key('gone'), user)
  redis.call('HSET', key('user:' .. user), node .. ':' .. socket, value)
  redis.call('SADD', key('sockets:' .. node), socket .. ' ' .. user)
  if was_leaving + was_gone > 0 then redis.call('HDEL', key('accounts'), user) end
  return (sockets == 0 and was_leaving == 0) and 1 or 0
`);

/**
 * Arguments: node, generation, user, socket, account, grace in milliseconds.
 * @returns 2 for the user's last socket, 1 for another one, 0 for one that is not known, -1 as {@link addSocket}
 */
export const removeSocket = script(`
  local node, generation, user, socket, account, grace_ms = unpack(ARGV)
  if redis.call('HGET', key('generations'), node) ~= generation then return -1 end
  redis.call('SREM', key('sockets:' .. node), socket .. ' ' .. user)
  if redis.call('HDEL', key('user:' .. user), node .. ':' .. socket) == 0 then return 0 end
  if redis.call('HLEN', key('user:' .. user)) > 0 then return 1 end
  begin_grace(user, account, tonumber(grace_ms))
  return 2
`);

/** Arguments: grace in milliseconds, then user and account of each user of whom Redis may have lost that they left. */
export const leaveAgain = script(`
  for i = 2, #ARGV, 2 do
    local user = ARGV[i]
    local is_known = redis.call('HLEN', key('user:' .. user)) > 0 or redis.call('ZSCORE', key('leaving'), user)
    if not is_known then begin_grace(user, ARGV[i + 1], tonumber(ARGV[1])) end
  end
`);

/**
 * Arguments: users. Sockets of nodes whose lease is over do not count.
 * @returns for each user the number of sockets and the oldest `connectedAt` (0 without any), flat
 */
export const readUsers = script(`
  local is_alive, at, answer = {}, now(), {}
  for _, user in ipairs(ARGV) do
    local fields = redis.call('HGETALL', key('user:' .. user))
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
`);

/** Arguments: users. @returns those who have a socket, also of a node whose lease is over, or are within the grace time */
export const readPresent = script(`
  local present = {}
  for _, user in ipairs(ARGV) do
    if redis.call('EXISTS', key('user:' .. user)) == 1 or redis.call('ZSCORE', key('leaving'), user) then
      table.insert(present, user)
    end
  end
  return present
`);

/** @returns 1 when a node has sockets, also one whose lease is over, else 0 */
export const anySocket = script(`
  for _, node in ipairs(redis.call('ZRANGE', key('nodes'), 0, -1)) do
    if redis.call('SCARD', key('sockets:' .. node)) > 0 then return 1 end
  end
  return 0
`);

/** Argument: user. @returns the places of the user's sockets, each once; not of nodes whose lease is over */
export const readPlaces = script(`
  local fields, at = redis.call('HGETALL', key('user:' .. ARGV[1])), now()
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
`);

/**
 * Argument: user. @returns node, socket, `connectedAt` and place of each socket of the user, flat; not of nodes whose lease
 *   is over
 */
export const readSockets = script(`
  local fields, at, is_alive, sockets = redis.call('HGETALL', key('user:' .. ARGV[1])), now(), {}, {}
  for i = 1, #fields, 2 do
    local node, socket = string.match(fields[i], '^([^:]*):(.*)$')
    if is_alive[node] == nil then is_alive[node] = lease_of(node) > at end
    if is_alive[node] then
      local connected_at, place = string.match(fields[i + 1], '^(%d+):([^:]*):')
      for _, part in ipairs({ node, socket, connected_at, place }) do table.insert(sockets, part) end
    end
  end
  return sockets
`);

/** @returns the nodes whose lease runs */
export const readNodes = script(`
  return redis.call('ZRANGEBYSCORE', key('nodes'), '(' .. text(now()), '+inf')
`);

/**
 * Renews the lease and takes on what is due. Arguments: node, generation, lease in milliseconds, most users to take on.
 * A user in `leaving` or `gone` has no socket, because adding one takes them out.
 * @returns epoch, whether the lease still ran (1, 0), number of other live nodes, the dead nodes, the users whose offline
 *   event was not confirmed, those who are newly offline (both with their accounts, flat), milliseconds until the next
 *   grace time ends (-1: none)
 */
export const tick = script(`
  local node, generation, lease_ms, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
  local at = now()
  if redis.call('EXISTS', key('epoch')) == 0 then
    local time = redis.call('TIME')
    redis.call('SET', key('epoch'), time[1] .. '.' .. time[2] .. '.' .. node)
  end
  local was_alive = lease_of(node) > at and 1 or 0
  -- This node may have sockets of those users that it has yet to register.
  if was_alive == 0 then limit = 0 end
  if generation > tonumber(redis.call('HGET', key('generations'), node) or -1) then
    redis.call('HSET', key('generations'), node, ARGV[2])
  end
  redis.call('ZADD', key('nodes'), text(at + lease_ms), node)
  local others = redis.call('ZCOUNT', key('nodes'), '(' .. text(at), '+inf') - 1
  local dead = redis.call('ZRANGEBYSCORE', key('nodes'), '-inf', text(at), 'LIMIT', 0, 16)

  local function take_on(zset)
    local users = {}
    for _, user in ipairs(redis.call('ZRANGEBYSCORE', key(zset), '-inf', text(at), 'LIMIT', 0, limit)) do
      redis.call('ZREM', key(zset), user)
      redis.call('ZADD', key('gone'), text(at + lease_ms), user)
      table.insert(users, user)
      table.insert(users, redis.call('HGET', key('accounts'), user) or '')
    end
    return users
  end
  local unconfirmed = take_on('gone')
  local offline = take_on('leaving')

  local next_due = -1
  local first = redis.call('ZRANGE', key('leaving'), 0, 0, 'WITHSCORES')
  if first[2] then next_due = math.max(0, tonumber(first[2]) - at) end
  return { redis.call('GET', key('epoch')), was_alive, others, dead, unconfirmed, offline, next_due }
`);

/** Arguments: users whose offline event has been reported. */
export const confirmOffline = script(`
  for _, user in ipairs(ARGV) do
    redis.call('ZREM', key('gone'), user)
    if not redis.call('ZSCORE', key('leaving'), user) then redis.call('HDEL', key('accounts'), user) end
  end
`);

/**
 * Removes some sockets of a node whose lease is over. Arguments: the dead node, the reaping one, how long in milliseconds
 * no other node may reap it, grace in milliseconds, most sockets to remove, then the members of \`sockets:<node>\` that were
 * reported since the last call. A socket stays a member until then, so that one whose report is lost is reported again.
 * @returns the members to report; empty when nothing is left to do here
 */
export const reapNode = script(`
  local dead, reaper, lock_ms, grace_ms, limit = unpack(ARGV, 1, 5)
  -- It is back, and has registered its sockets again.
  if dead ~= reaper and lease_of(dead) > now() then return {} end
  local lock = redis.call('GET', key('reaper:' .. dead))
  if lock and lock ~= reaper then return {} end
  redis.call('SET', key('reaper:' .. dead), reaper, 'PX', lock_ms)

  for i = 6, #ARGV do redis.call('SREM', key('sockets:' .. dead), ARGV[i]) end
  local members = redis.call('SRANDMEMBER', key('sockets:' .. dead), limit)
  for _, member in ipairs(members) do
    local socket, user = string.match(member, '^(%S*) (.*)$')
    local hash, field = key('user:' .. user), dead .. ':' .. socket
    local value = redis.call('HGET', hash, field)
    if value then
      redis.call('HDEL', hash, field)
      if redis.call('HLEN', hash) == 0 then
        begin_grace(user, string.match(value, '^%d+:[^:]*:(.*)$') or '', tonumber(grace_ms))
      end
    end
  end
  if #members == 0 then
    redis.call('ZREM', key('nodes'), dead)
    redis.call('HDEL', key('generations'), dead)
    redis.call('DEL', key('reaper:' .. dead))
  end
  return members
`);
