import { defineForPresence } from './define.js';

/**
 * Own keys: users. Sockets of nodes whose lease is over do not count.
 * @returns for each user the number of sockets and the oldest `connectedAt` (0 without any), flat
 */
export const readUsers = defineForPresence(
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
export const readPresent = defineForPresence(
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
export const anySocket = defineForPresence(
  [],
  `
  for _, sockets in ipairs(own) do
    if redis.call('SCARD', sockets) > 0 then return 1 end
  end
  return 0
`,
);

/** Own key: user. @returns the places of the user's sockets, each once; not of nodes whose lease is over */
export const readPlaces = defineForPresence(
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
 * Own key: user. Arguments: a socket, most sockets to return.
 * @returns the number of sockets of the user, then node, socket, `connectedAt` and place of those with the lowest ids after that
 *   socket, in their order, flat; not of nodes whose lease is over
 */
export const readSockets = defineForPresence(
  ['nodes'],
  `
  local fields, at, is_alive = redis.call('HGETALL', own[1]), now(), {}
  local after, limit, total, first = ARGV[1], tonumber(ARGV[2]), 0, {}
  for i = 1, #fields, 2 do
    local node, socket = string.match(fields[i], '^([^:]*):(.*)$')
    if is_alive[node] == nil then is_alive[node] = lease_of(node) > at end
    if is_alive[node] then
      total = total + 1
      if socket > after and not (first[limit] and first[limit].socket < socket) then
        local place = #first + 1
        while place > 1 and first[place - 1].socket > socket do place = place - 1 end
        table.insert(first, place, { node = node, socket = socket, value = fields[i + 1] })
        first[limit + 1] = nil
      end
    end
  end
  local answer = { total }
  for _, one in ipairs(first) do
    local connected_at, place = string.match(one.value, '^(%d+):([^:]*):')
    for _, part in ipairs({ one.node, one.socket, connected_at, place }) do table.insert(answer, part) end
  end
  return answer
`,
);

/** @returns the nodes whose lease runs */
export const readNodes = defineForPresence(
  ['nodes'],
  `
  return redis.call('ZRANGEBYSCORE', nodes, '(' .. text(now()), '+inf')
`,
);

/** @returns all nodes, also those whose lease is over and whose sockets are still to be removed */
export const readAllNodes = defineForPresence(
  ['nodes'],
  `
  return redis.call('ZRANGE', nodes, 0, -1)
`,
);
