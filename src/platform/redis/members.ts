import { createHash } from 'node:crypto';
import type { CommandClient } from './connection.js';
import { defineScript } from './script.js';

/** Lease of a member. A node that stops renewing counts as a subscriber until the lease ends. */
const LEASE_MS = 5_000;
/** After an outage of Redis the other nodes renew their leases within this time. */
const RETURN_LIMIT_MS = 15_000;

/**
 * Renews a membership. Key: zset of members, member → end of its lease in milliseconds of Redis time. Arguments:
 * member, lease, and 1, or 0 for a dry run by a node that is not a member (yet).
 * @returns whether it was a member before (1, 0), and all members
 */
const renewMembership = defineScript(`
  local members, member, lease_ms, stays = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
  local time = redis.call('TIME')
  local at = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local is_new = redis.call('ZADD', members, string.format('%.0f', at + lease_ms), member)
  redis.call('ZREMRANGEBYSCORE', members, '-inf', string.format('%.0f', at))
  if stays == '0' then redis.call('ZREM', members, member) end
  return { 1 - is_new, redis.call('ZRANGE', members, 0, -1) }
`);

/** The nodes that should receive this node's messages, as far as it knows. */
export interface Members {
  /**
   * Joins: from now on, other nodes expect this one to receive their messages.
   * @param subscriptions its channels and patterns, and features of messages that only some versions understand
   */
  join(subscriptions: readonly string[]): void;
  /** Renews the membership and reads the other members. Before `join` it is a dry run. @throws the refusal of Redis */
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
  let digest = '';
  let isMember = false;
  let known = new Set<string>();
  /**
   * Until then members are not removed: after data loss in Redis, or an outage of Redis or this node, the others may
   * renew late. Their leases may have ended although this node's has not.
   */
  let rememberUntil = 0;
  let hasFailed = false;
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
      let reply: unknown;
      try {
        reply = await renewMembership(client, [key], [name(), String(LEASE_MS), isMember ? '1' : '0']);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
      const [wasKnown, members] = reply as [number, string[]];
      if (!isMember) return;
      if (wasKnown === 0 || hasFailed) rememberUntil = performance.now() + RETURN_LIMIT_MS;
      hasFailed = false;
      setKnown(new Set(performance.now() < rememberUntil ? [...known, ...members] : members));
    },
    isJoined: () => isMember,
    async leave() {
      isMember = false;
      await client.sendCommand(['ZREM', key, name()], key);
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
