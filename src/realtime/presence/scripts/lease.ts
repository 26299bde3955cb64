import { defineForPresence } from './define.js';

/**
 * Renews the lease and takes on what is due. Arguments: node, generation, lease in milliseconds, most users to take on, since
 * when the lease has not expired, as far as the node knows.
 * A user in `leaving` or `gone` has no socket, because adding one takes them out.
 * @returns epoch, whether the lease has run ever since (1, 0), number of other live nodes, the dead nodes, the users whose offline
 *   event was not confirmed, those who are newly offline (both with their accounts and the end of their grace time, flat;
 *   of the first it is not known, so it is now), milliseconds until the next grace time ends (-1: none), since when the lease
 *   has not expired
 */
export const tick = defineForPresence(
  ['epoch', 'nodes', 'leased-since', 'generations', 'leaving', 'gone', 'accounts'],
  `
  local node, generation, lease_ms, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
  local at, time = now(), redis.call('TIME')
  local moment = time[1] .. '.' .. time[2]
  if redis.call('EXISTS', epoch) == 0 then redis.call('SET', epoch, moment .. '.' .. node) end
  -- A renewal whose answer was lost, or that Redis read late, may have begun the lease anew.
  local since = lease_of(node) > at and redis.call('HGET', leased_since, node)
  local was_alive = since and since == ARGV[5] and 1 or 0
  if not since then
    since = moment
    redis.call('HSET', leased_since, node, since)
  end
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
      local ended_at = zset == leaving and tonumber(redis.call('ZSCORE', zset, user)) or at
      redis.call('ZREM', zset, user)
      redis.call('ZADD', gone, text(at + lease_ms), user)
      table.insert(users, user)
      table.insert(users, redis.call('HGET', accounts, user) or '')
      table.insert(users, text(ended_at))
    end
    return users
  end
  local unconfirmed = take_on(gone)
  local offline = take_on(leaving)

  local next_due = -1
  local first = redis.call('ZRANGE', leaving, 0, 0, 'WITHSCORES')
  if first[2] then next_due = math.max(0, tonumber(first[2]) - at) end
  return { redis.call('GET', epoch), was_alive, others, dead, unconfirmed, offline, next_due, since }
`,
);

/** Arguments: users whose offline event has been reported. */
export const confirmOffline = defineForPresence(
  ['leaving', 'gone', 'accounts'],
  `
  for _, user in ipairs(ARGV) do
    redis.call('ZREM', gone, user)
    if not redis.call('ZSCORE', leaving, user) then redis.call('HDEL', accounts, user) end
  end
`,
);
