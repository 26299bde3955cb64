import { defineForPresence } from './define.js';

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
export const chooseSockets = defineForPresence(
  ['nodes', 'leased-since', 'generations'],
  `${MAY_REAP}
  local dead, reaper, lock_ms, limit = unpack(ARGV, 1, 4)
  if not may_reap(dead, reaper) then return {} end
  redis.call('SET', own[2], reaper, 'PX', lock_ms)
  for i = 5, #ARGV do redis.call('SREM', own[1], ARGV[i]) end
  local members = redis.call('SRANDMEMBER', own[1], limit)
  if #members == 0 then
    redis.call('ZREM', nodes, dead)
    redis.call('HDEL', generations, dead)
    redis.call('HDEL', leased_since, dead)
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
export const reapSockets = defineForPresence(
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
