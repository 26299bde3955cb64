import { defineForDirectory } from './define.js';

/** How long the last retained message of a room is kept. */
const RETAINED_MS = 120_000;

/**
 * Publishes items, at most one message for each node. Own keys, for each item: `holders-of` each of its rooms, then `last` of the
 * first one if something is retained. Arguments: the sending node, the number of nodes that must be in the directory, 1 in a
 * Redis Cluster (else 0), the prefix of the channels, a channel that nodes of every version subscribe to, then for each item: the
 * item as JSON (empty: what is retained), what to retain of it (empty: nothing), and the number of its rooms. When a node is missing
 * in the directory, all nodes get all items.
 * @returns 1, the number of items for nodes that were not subscribed, and for each item a digit: whether another node holds one of its
 *   rooms; or 0 and the number of nodes that got everything. Error `UNALIKE`: nothing was published, because a node is subscribed
 *   that does not understand it
 */
export const publishItems = defineForDirectory(
  ['holders', 'home'],
  `
  local sender, expected, is_cluster, channels, every_node = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4], ARGV[5]
  if has_earlier(every_node, channels) then return { err = 'UNALIKE a node of an earlier version is subscribed' } end
  local is_complete = are_complete(holders, home, expected, is_cluster)
  local targets, holder_of, items = {}, {}, {}
  local all, held, i, k = {}, {}, 6, 0
  while ARGV[i] do
    local item, retained, rooms = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
    i = i + 3
    if item == '' then item = retained end
    local is_sent, is_held = { [sender] = true }, '0'
    local holders_of_item = is_complete and redis.call('SUNION', owns(k + 1, k + rooms)) or {}
    for _, holder in ipairs(holders_of_item) do
      local node = node_of(holder)
      if not is_sent[node] then
        is_sent[node], is_held = true, '1'
        if not items[node] then
          items[node], holder_of[node] = {}, holder
          table.insert(targets, node)
        end
        table.insert(items[node], item)
      end
    end
    k = k + rooms
    if is_complete then table.insert(held, is_held) else table.insert(all, item) end
    if retained ~= '' then
      k = k + 1
      -- Without memory left, messages still pass.
      redis.pcall('SET', own(k), retained, 'PX', ${RETAINED_MS})
    end
  end
  local function publish(channel, list)
    return redis.call('PUBLISH', channels .. channel, '["' .. sender .. '",[' .. table.concat(list, ',') .. ']]')
  end
  if not is_complete then return { 0, publish('all', all) } end
  local missed = 0
  for _, node in ipairs(targets) do
    local receivers = publish('to:' .. node, items[node])
    if receivers == 0 and redis.call('SISMEMBER', holders, holder_of[node]) == 1 then missed = missed + #items[node] end
  end
  return { 1, missed, table.concat(held) }
`,
);

/**
 * Reads what a node that does not hold rooms has to know of them. Own keys: `last` and `holders-of` each room. Arguments: the node,
 * then as those of `publishItems`.
 * @returns for each room a digit, whether another node holds it (no digits: a node is missing in the directory), then for each the
 *   last retained message (empty: none)
 */
export const readRooms = defineForDirectory(
  ['holders', 'home'],
  `
  local reader, expected, is_cluster, channels, every_node = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4], ARGV[5]
  local is_complete = not has_earlier(every_node, channels) and are_complete(holders, home, expected, is_cluster)
  local reply, held, k = { '' }, {}, 1
  while own(k) do
    table.insert(reply, redis.call('GET', own(k)) or '')
    local is_held = '0'
    for _, holder in ipairs(is_complete and redis.call('SMEMBERS', own(k + 1)) or {}) do
      if node_of(holder) ~= reader then is_held = '1' end
    end
    table.insert(held, is_held)
    k = k + 2
  end
  if is_complete then reply[1] = table.concat(held) end
  return reply
`,
);

/**
 * Own keys: `rooms-of` the holder, then `holders-of` and `last` of each room to add, then `holders-of` each room to remove.
 * Arguments: holder, number of rooms to add, the rooms to add, the rooms to remove.
 * @returns the retained message of each added room (empty: none); -1 when the holder has no lease
 */
export const changeRooms = defineForDirectory(
  ['leases'],
  `
  local holder, added, retained, k = ARGV[1], tonumber(ARGV[2]), {}, 2
  if not redis.call('ZSCORE', leases, holder) then return -1 end
  for i = 3, #ARGV do
    local is_added = i < 3 + added
    local command = is_added and 'SADD' or 'SREM'
    redis.call(command, own(k), holder)
    redis.call(command, own(1), ARGV[i])
    k = k + 1
    if is_added then
      table.insert(retained, redis.call('GET', own(k)) or '')
      k = k + 1
    end
  end
  return retained
`,
);

/**
 * Renews the lease of a holder, and ends those that are over. A node that is subscribed is alive, even if it is late.
 * Arguments: holder, lease in milliseconds, 1 for a new holder (else 0), 1 if all of its rooms are registered (else 0), 1 in a
 * Redis Cluster (else 0), the prefix of the channels. On another server than before, or after a restart, all leases end: the last
 * registrations may be missing. A node begins a new holder on each connection, so it is enough to look then. `INFO` needs a right
 * that not every user has; without it only another server of a Redis Cluster is noticed.
 * @returns whether the lease is known (1, 0), and a dead holder (empty: none)
 */
export const renewLease = defineForDirectory(
  ['leases', 'holders', 'dead', 'home', 'server'],
  `
  local holder, lease_ms, begins, is_complete = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4] == '1'
  local is_cluster, channels = ARGV[5] == '1', ARGV[6]
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local function text(number) return string.format('%.0f', number) end
  local function finish(other)
    redis.call('ZREM', leases, other)
    redis.call('SREM', holders, other)
    redis.call('SADD', dead, other)
  end
  local function finish_all()
    for _, other in ipairs(redis.call('ZRANGE', leases, 0, -1)) do finish(other) end
  end
  if is_cluster and not is_home(home) then
    finish_all()
    redis.call('SET', home, redis.call('CLUSTER', 'MYID'))
  end
  if begins then
    local info = redis.pcall('INFO', 'server')
    local id = type(info) == 'string' and string.match(info, 'run_id:(%x+)')
    if id and id ~= redis.call('GET', server) then
      finish_all()
      redis.call('SET', server, id)
    end
  end
  if not begins and not redis.call('ZSCORE', leases, holder) then return { 0, '' } end
  if begins then
    for _, other in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
      if other ~= holder and node_of(other) == node_of(holder) then finish(other) end
    end
  end
  redis.call('ZADD', leases, text(now + lease_ms), holder)
  if is_complete then redis.call('SADD', holders, holder) end
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', text(now))) do
    if redis.call('PUBSUB', 'NUMSUB', channels .. 'to:' .. node_of(other))[2] == 0 then finish(other) end
  end
  return { 1, redis.call('SRANDMEMBER', dead) or '' }
`,
);

/**
 * Removes rooms of a dead holder. Own keys: `rooms-of` the holder, then `holders-of` each room. Arguments: holder, the rooms.
 * @returns 1 when the holder is dead, else 0
 */
export const removeRooms = defineForDirectory(
  ['dead'],
  `
  local holder = ARGV[1]
  if redis.call('SISMEMBER', dead, holder) == 0 then return 0 end
  for i = 2, #ARGV do
    redis.call('SREM', own(i), holder)
    redis.call('SREM', own(1), ARGV[i])
  end
  if redis.call('SCARD', own(1)) == 0 then redis.call('SREM', dead, holder) end
  return 1
`,
);

/** Argument: holder. Ends its lease; the other nodes remove its rooms. */
export const endLease = defineForDirectory(
  ['leases', 'holders', 'dead'],
  `
  redis.call('ZREM', leases, ARGV[1])
  redis.call('SREM', holders, ARGV[1])
  redis.call('SADD', dead, ARGV[1])
`,
);
