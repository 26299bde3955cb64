import { defineForPresence } from './define.js';

/**
 * Own keys: user, sockets of the node. Arguments: node, generation, user, socket, value.
 * @returns 1 for the user's first socket, 0 for another one, -1 when the generation is not the node's; and now
 */
export const addSocket = defineForPresence(
  ['generations', 'leaving', 'gone', 'accounts'],
  `
  local node, generation, user, socket, value = unpack(ARGV)
  if redis.call('HGET', generations, node) ~= generation then return { -1, 0 } end
  local sockets = redis.call('HLEN', own[1])
  local was_leaving = redis.call('ZREM', leaving, user)
  local was_gone = redis.call('ZREM', gone, user)
  redis.call('HSET', own[1], node .. ':' .. socket, value)
  redis.call('SADD', own[2], socket .. ' ' .. user)
  if was_leaving + was_gone > 0 then redis.call('HDEL', accounts, user) end
  return { (sockets == 0 and was_leaving == 0) and 1 or 0, now() }
`,
);

/**
 * Own keys: user, sockets of the node. Arguments: node, generation, user, socket, account, grace in milliseconds.
 * @returns 2 for the user's last socket, 1 for another one, 0 for one that is not known, -1 as {@link addSocket}
 */
export const removeSocket = defineForPresence(
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
export const leaveAgain = defineForPresence(
  ['leaving', 'accounts'],
  `
  for i = 1, #own do
    local user, account = ARGV[2 * i], ARGV[2 * i + 1]
    local is_known = redis.call('HLEN', own[i]) > 0 or redis.call('ZSCORE', leaving, user)
    if not is_known then begin_grace(user, account, tonumber(ARGV[1])) end
  end
`,
);
