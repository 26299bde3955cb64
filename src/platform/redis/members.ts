import { createHash } from 'node:crypto';
import type { CommandClient } from './connection.js';
import { defineScript } from './script.js';

/** Lease of a member. A node that stops renewing counts as a subscriber until the lease ends. */
const LEASE_MS = 5_000;
/** After an outage of Redis the other nodes renew their leases within this time. */
const RETURN_LIMIT_MS = 15_000;

/**
 * A node reads all members at least once in so many renewals, and no more often than there are members: nodes of earlier
 * versions do not change the version key.
 */
const READ_ALL_EVERY = 60;

/**
 * The members. Keys: zset of members, member → end of its lease in milliseconds of Redis time; and a string that is different after each
 * change of the members by this version.
 */
const COMMON = `
  local members, version_key, member = KEYS[1], KEYS[2], ARGV[1]
  local time = redis.call('TIME')
  local function note_change() redis.call('SET', version_key, time[1] .. '.' .. time[2] .. ' ' .. member) end
`;

/**
 * Renews a membership. Arguments: member, lease, 1, or 0 for a dry run by a node that is not a member (yet), and version and number
 * of the members that are known; an empty version asks for all.
 * @returns whether it was a member before (1, 0), the version, and all members unless they are known
 */
const renewMembership = defineScript(`${COMMON}
  local lease_ms, stays, known_version, known_count = tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
  local at = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local is_new = redis.call('ZADD', members, string.format('%.0f', at + lease_ms), member)
  local ended = redis.call('ZREMRANGEBYSCORE', members, '-inf', string.format('%.0f', at))
  if stays == '0' then redis.call('ZREM', members, member) end
  if ended > 0 or (is_new == 1 and stays == '1') or redis.call('EXISTS', version_key) == 0 then note_change() end
  local version = redis.call('GET', version_key)
  if version == known_version and redis.call('ZCARD', members) == known_count then return { 1 - is_new, version } end
  return { 1 - is_new, version, redis.call('ZRANGE', members, 0, -1) }
`);

/** Ends a membership. Argument: member. */
const endMembership = defineScript(`${COMMON}
  if redis.call('ZREM', members, member) == 1 then note_change() end
`);

/** The nodes that should receive this node's messages, as far as it knows. */
export interface Members {
  /**
   * Joins: from now on, other nodes expect this one to receive their messages.
   * @param subscriptions its channels and patterns, and features of messages that only some versions understand
   */
  join(subscriptions: readonly string[]): void;
  /**
   * Renews the membership, and reads the other members if they have changed: so the cost does not grow with their number. Before
   * `join` it is a dry run. @throws the refusal of Redis
   */
  renew(): Promise<void>;
  isJoined(): boolean;
  /** Ends the membership. @throws the refusal of Redis */
  leave(): Promise<void>;
  /** The node's name in announcements. */
  name(): string;
  /** Another node joined. */
  noteJoined(name: string): void;
  /** Another node left. */
  noteLeft(name: string): void;
  /** Whether all known nodes have the same subscriptions and features as this one. */
  areAlike(): boolean;
  /** The number of subscribers that a message should reach, including this node; 0 before `join`. */
  expected(): number;
}

/**
 * Members with different subscriptions (another version or other sites) do not expect each other.
 * @param id unique for each start of the process
 */
export function createMembers(options: { client: CommandClient; key: string; id: string }): Members {
  const { client, key, id } = options;
  /** One slot in a Redis Cluster; begins with the prefix, as an ACL may require. */
  const keys = [key, `${key.slice(0, key.lastIndexOf(':') + 1)}{${key}}:version`];
  let digest = '';
  let isMember = false;
  let known = new Set<string>();
  /**
   * Until then members are not removed: after data loss in Redis, or an outage of Redis or this node, the others may
   * renew late. Their leases may have ended although this node's has not.
   */
  let rememberUntil = 0;
  let hasFailed = false;
  /** Of the members that were read last. */
  let version = '';
  let renewals = 0;
  /** Cached, because it is read for each message. */
  let expected = 0;

  const setKnown = (members: ReadonlySet<string>): void => {
    known = new Set(members);
    expected = [...known].filter((member) => member.endsWith(`:${digest}`)).length;
  };
  const name = (): string => `${id}:${digest}`;
  return {
    join(subscriptions) {
      digest = createHash('sha256').update(JSON.stringify(subscriptions.toSorted())).digest('base64url').slice(0, 8);
      isMember = true;
      setKnown(known.add(name()));
    },
    async renew() {
      if (hasFailed || renewals % Math.max(READ_ALL_EVERY, known.size) === 0) version = '';
      let reply: unknown;
      try {
        const stays = isMember ? '1' : '0';
        reply = await renewMembership(client, keys, [name(), String(LEASE_MS), stays, version, String(known.size)]);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
      if (!isMember) return;
      const [wasKnown, newVersion, members] = reply as [number, string, string[]?];
      renewals += 1;
      if (wasKnown === 0 || hasFailed) rememberUntil = performance.now() + RETURN_LIMIT_MS;
      hasFailed = false;
      version = newVersion;
      if (members === undefined) return;
      setKnown(new Set(performance.now() < rememberUntil ? [...known, ...members] : members));
    },
    isJoined: () => isMember,
    async leave() {
      isMember = false;
      await endMembership(client, keys, [name()]);
    },
    name,
    noteJoined: (member) => setKnown(known.add(member)),
    noteLeft(member) {
      known.delete(member);
      setKnown(known);
    },
    areAlike: () => isMember && expected === known.size,
    expected: () => (isMember ? expected : 0),
  };
}
