import { defineForPresence } from './define.js';

/**
 * Adds and removes sockets of a node, in order. Own keys: sockets of the node, then the user of each change. Arguments: node,
 * generation, grace in milliseconds, then four for each change: `add` or `remove`, user, socket, and the value of the socket or
 * the account of the user.
 * @returns now, then for each change 1 when it added the user's first socket or removed the last one, else 0; or -1 when the
 *   generation is not the node's: nothing was changed
 */
export const changeSockets = defineForPresence(
  ['generations', 'leaving', 'gone', 'accounts'],
  `
  local node, generation, grace_ms = unpack(ARGV, 1, 3)
  if redis.call('HGET', generations, node) ~= generation then return -1 end
  local function add(user_key, user, socket, value)
    local sockets = redis.call('HLEN', user_key)
    local was_leaving = redis.call('ZREM', leaving, user)
    local was_gone = redis.call('ZREM', gone, user)
    redis.call('HSET', user_key, node .. ':' .. socket, value)
    redis.call('SADD', own[1], socket .. ' ' .. user)
    if was_leaving + was_gone > 0 then redis.call('HDEL', accounts, user) end
    return (sockets == 0 and was_leaving == 0) and 1 or 0
  end
  local function remove(user_key, user, socket, account)
    redis.call('SREM', own[1], socket .. ' ' .. user)
    if redis.call('HDEL', user_key, node .. ':' .. socket) == 0 then return 0 end
    if redis.call('HLEN', user_key) > 0 then return 0 end
    begin_grace(user, account, tonumber(grace_ms))
    return 1
  end
  local reply = { now() }
  for i = 1, #own - 1 do
    local kind, user, socket, value = unpack(ARGV, 4 * i, 4 * i + 3)
    table.insert(reply, (kind == 'add' and add or remove)(own[i + 1], user, socket, value))
  end
  return reply
`,
);

/**
 * Own keys: users of whom Redis may have lost that they left. Arguments: grace in milliseconds, then user and account of
 * each. Their offline event may have been sent before the loss. So they count as gone, not as leaving: an online event follows
 * when they come back.
 */
export const leaveAgain = defineForPresence(
  ['leaving', 'gone', 'accounts'],
  `
  local ends_at = text(now() + tonumber(ARGV[1]))
  for i = 1, #own do
    local user, account = ARGV[2 * i], ARGV[2 * i + 1]
    local is_known = redis.call('HLEN', own[i]) > 0
      or redis.call('ZSCORE', leaving, user) or redis.call('ZSCORE', gone, user)
    if not is_known then
      redis.call('ZADD', gone, ends_at, user)
      redis.call('HSET', accounts, user, account)
    end
  end
`,
);
