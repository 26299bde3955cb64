import type { CommandClient } from '../../platform/redis/connection.js';
import { defineScript, type ScriptReply } from '../../platform/redis/script.js';

/**
 * The directory in Redis: which nodes hold which rooms. All keys begin with a base, whose hash tag keeps them in one slot of a
 * cluster. A *holder* is a node and the number of its registration: `<node>/<number>`.
 *
 * | key | type | meaning |
 * |---|---|---|
 * | `holders-of:<room>` | set | holders of the room |
 * | `rooms-of:<holder>` | set | rooms of the holder: what to remove when it is dead |
 * | `leases` | zset | holder → end of its lease, in milliseconds of Redis time |
 * | `holders` | set | holders that have registered all of their rooms |
 * | `dead` | set | holders whose rooms are still to be removed |
 * | `home` | string | only in a Redis Cluster: the id of the server that `leases` and `holders` are valid on |
 * | `server` | string | the id of the process of Redis that they are valid in; missing when the node may not ask for it |
 * | `last:<room>` | string | the last retained message to the room |
 * | `absent` | | never exists, see {@link ABSENT} |
 *
 * Channels: `to:<node>` of each node, and `all`.
 */
const COMMON = `
  local function node_of(holder) return string.match(holder, '^[^/]*') end
  local function is_home(home) return redis.call('GET', home) == redis.call('CLUSTER', 'MYID') end
  -- Whether as many nodes as expected have registered all of their rooms, on this server.
  local function are_complete(holders, home, expected, is_cluster)
    return redis.call('SCARD', holders) >= expected and (not is_cluster or is_home(home))
  end
  -- Whether a node of an earlier version is subscribed.
  local function has_earlier(every_node, channels)
    local subscribed = redis.call('PUBSUB', 'NUMSUB', every_node, channels .. 'all')
    return subscribed[2] > subscribed[4]
  end
`;

/**
 * Every script declares this key, which never exists. While a Redis Cluster moves the slot, it refuses a script that declares a key
 * that is not there. So the whole directory stands still from the beginning of the move to its end, and no script runs on a part
 * of it.
 */
const ABSENT = 'absent';

/** Keys that all nodes share. */
type SharedKey = 'leases' | 'holders' | 'dead' | 'home' | 'server';

/** A call of a script: the names of its own keys after the base, and its arguments. */
export interface DirectoryCall {
  readonly base: string;
  readonly keys?: readonly string[];
  readonly args: readonly (string | number)[];
}

/** A script of the directory. */
export interface DirectoryScript {
  /** @throws (rejects) at once while the slot is moved */
  run(client: CommandClient, call: DirectoryCall): Promise<ScriptReply>;
  /** Sends it once, also when Redis does not know it. @throws (rejects) `NOSCRIPT` then */
  runLoaded(client: CommandClient, call: DirectoryCall): Promise<ScriptReply>;
  load(client: CommandClient, base: string): Promise<unknown>;
}

/**
 * Defines a script.
 *
 * @param shared are local variables in Lua, in the order of `KEYS`
 * @param lua has the n-th key of the call's own as `own(n)`, and several that follow each other as `owns(first, last)`
 */
export function defineForDirectory(shared: readonly SharedKey[], lua: string): DirectoryScript {
  const declared = [ABSENT, ...shared];
  const variables = shared.map((name, index) => `local ${name} = KEYS[${index + 2}]`);
  const own = `
    local function own(n) return KEYS[${declared.length} + n] end
    local function owns(first, last) return unpack(KEYS, ${declared.length} + first, ${declared.length} + last) end
  `;
  const script = defineScript([...variables, own, COMMON, lua].join('\n'), { isPatient: false });
  const toKeys = ({ base, keys = [] }: DirectoryCall): string[] => [...declared, ...keys].map((name) => base + name);
  return {
    run: (client, call) => script(client, toKeys(call), call.args.map(String)),
    runLoaded: (client, call) => script.runLoaded(client, toKeys(call), call.args.map(String)),
    load: script.load,
  };
}

/** Name of the key of a room's holders. */
export const holdersOf = (room: string): string => `holders-of:${room}`;
/** The node of a holder. */
export const nodeOf = (holder: string): string => holder.slice(0, holder.indexOf('/'));
/** Name of the key of a holder's rooms. */
export const roomsOf = (holder: string): string => `rooms-of:${holder}`;
/** Name of the key of a room's last retained message. */
export const lastOf = (room: string): string => `last:${room}`;
