import { defineScript } from '../../platform/redis/script.js';

/** How long the last retained message of a room is kept. */
const RETAINED_MS = 120_000;

/**
 * The directory in Redis: which nodes hold which rooms. All keys begin with the base, the scripts' only `KEYS` entry. Its hash
 * tag keeps them in one slot of a cluster. A *holder* is a node and the number of its registration: `<node>/<number>`.
 *
 * | key | type | meaning |
 * |---|---|---|
 * | `holders-of:<room>` | set | holders of the room |
 * | `rooms-of:<holder>` | set | rooms of the holder: what to remove when it is dead |
 * | `leases` | zset | holder → end of its lease, in milliseconds of Redis time |
 * | `holders` | set | holders that have registered all of their rooms |
 * | `dead` | set | holders whose rooms are still to be removed |
 * | `last:<room>` | string | the last retained message to the room |
 *
 * Channels: `to:<node>` of each node, and `all`.
 */
const COMMON = `
  local base = KEYS[1]
  local function node_of(holder) return string.match(holder, '^[^/]*') end
`;

const script = (lua: string) => defineScript(COMMON + lua);

/**
 * Publishes items, at most one message for each node. Arguments: the sending node, the number of nodes that must be in the
 * directory, then for each item: the item as JSON, what to retain of it (empty: nothing), the number of its rooms, and its
 * rooms. When a node is missing in the directory, as after Redis lost its data, all nodes get all items.
 * @returns 1, the number of nodes that were not subscribed, and for each item a digit: whether another node holds one of its
 *   rooms; or 0 and the number of nodes that got everything
 */
export const publishItems = script(`
  local sender, expected = ARGV[1], tonumber(ARGV[2])
  local is_complete = redis.call('SCARD', base .. 'holders') >= expected
  local targets, holders, items = {}, {}, {}
  local all, held, i = {}, {}, 3
  while ARGV[i] do
    local item, retained, rooms = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
    i = i + 3
    local is_sent, is_held = { [sender] = true }, '0'
    for r = i, is_complete and i + rooms - 1 or 0 do
      for _, holder in ipairs(redis.call('SMEMBERS', base .. 'holders-of:' .. ARGV[r])) do
        local node = node_of(holder)
        if not is_sent[node] then
          is_sent[node], is_held = true, '1'
          if not items[node] then
            items[node], holders[node] = {}, holder
            table.insert(targets, node)
          end
          table.insert(items[node], item)
        end
      end
    end
    if is_complete then table.insert(held, is_held) else table.insert(all, item) end
    -- Without memory left, messages still pass.
    if retained ~= '' then redis.pcall('SET', base .. 'last:' .. ARGV[i], retained, 'PX', ${RETAINED_MS}) end
    i = i + rooms
  end
  local function publish(channel, list)
    return redis.call('PUBLISH', base .. channel, '["' .. sender .. '",[' .. table.concat(list, ',') .. ']]')
  end
  if not is_complete then return { 0, publish('all', all) } end
  local missed = 0
  for _, node in ipairs(targets) do
    local receivers = publish('to:' .. node, items[node])
    if receivers == 0 and redis.call('SISMEMBER', base .. 'holders', holders[node]) == 1 then missed = missed + 1 end
  end
  return { 1, missed, table.concat(held) }
`);

/**
 * Arguments: holder, number of rooms to add, the rooms to add, the rooms to remove.
 * @returns the retained message of each added room (empty: none); -1 when the holder has no lease
 */
export const changeRooms = script(`
  local holder, added, retained = ARGV[1], tonumber(ARGV[2]), {}
  if not redis.call('ZSCORE', base .. 'leases', holder) then return -1 end
  for i = 3, #ARGV do
    local room = ARGV[i]
    local command = i < 3 + added and 'SADD' or 'SREM'
    redis.call(command, base .. 'holders-of:' .. room, holder)
    redis.call(command, base .. 'rooms-of:' .. holder, room)
    if command == 'SADD' then table.insert(retained, redis.call('GET', base .. 'last:' .. room) or '') end
  end
  return retained
`);

/**
 * Renews the lease of a holder, and ends those that are over. A node that is subscribed is alive, even if it is late.
 * Arguments: holder, lease in milliseconds, 1 for a new holder (else 0), 1 if all of its rooms are registered (else 0).
 * @returns whether the lease is known (1, 0), and a dead holder (empty: none)
 */
export const renewLease = script(`
  local holder, lease_ms, begins, is_complete = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4] == '1'
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local function text(number) return string.format('%.0f', number) end
  local function finish(other)
    redis.call('ZREM', base .. 'leases', other)
    redis.call('SREM', base .. 'holders', other)
    redis.call('SADD', base .. 'dead', other)
  end
  if not begins and not redis.call('ZSCORE', base .. 'leases', holder) then return { 0, '' } end
  if begins then
    for _, other in ipairs(redis.call('ZRANGE', base .. 'leases', 0, -1)) do
      if other ~= holder and node_of(other) == node_of(holder) then finish(other) end
    end
  end
  redis.call('ZADD', base .. 'leases', text(now + lease_ms), holder)
  if is_complete then redis.call('SADD', base .. 'holders', holder) end
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', base .. 'leases', '-inf', text(now))) do
    if redis.call('PUBSUB', 'NUMSUB', base .. 'to:' .. node_of(other))[2] == 0 then finish(other) end
  end
  return { 1, redis.call('SRANDMEMBER', base .. 'dead') or '' }
`);

/** Removes some rooms of a dead holder. Arguments: holder, most rooms. @returns how many it removed */
export const reapHolder = script(`
  local holder, limit = ARGV[1], tonumber(ARGV[2])
  if redis.call('SISMEMBER', base .. 'dead', holder) == 0 then return 0 end
  local rooms = redis.call('SPOP', base .. 'rooms-of:' .. holder, limit)
  for _, room in ipairs(rooms) do redis.call('SREM', base .. 'holders-of:' .. room, holder) end
  if #rooms < limit then redis.call('SREM', base .. 'dead', holder) end
  return #rooms
`);

/** Argument: holder. Ends its lease; the other nodes remove its rooms. */
export const endLease = script(`
  redis.call('ZREM', base .. 'leases', ARGV[1])
  redis.call('SREM', base .. 'holders', ARGV[1])
  redis.call('SADD', base .. 'dead', ARGV[1])
`);
