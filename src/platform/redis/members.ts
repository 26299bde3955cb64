import { createHash } from 'node:crypto';
import type { RedisClient } from './connection.js';
import { defineScript } from './script.js';

/** How long a node that stopped renewing is still expected to get messages. */
const LEASE_MS = 5_000;

/**
 * Renews a membership. Key: zset of members, member → end of its lease in milliseconds of Redis. Arguments: member, lease,
 * and 1, or 0 for a node that is no member (yet): then nothing stays, but all has been tried.
 * @returns whether it was there before (1, 0), and all members
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

/** The nodes that should get what this node publishes, as far as it can know. */
export interface Members {
  /** From now on other nodes expect this one to get their messages. @param subscriptions what it subscribes to */
  join(subscriptions: readonly string[]): void;
  /** Renews the membership and learns of the others. Before `join` it only tries whether that would work. @throws what Redis refuses */
  renew(): Promise<void>;
  isJoined(): boolean;
  /** Ends the membership. @throws what Redis refuses */
  leave(): Promise<void>;
  /** What this node is called in announcements. */
  name(): string;
  /** Another node says that it has come. */
  noteJoined(name: string): void;
  /** Another node says that it has left. */
  noteLeft(name: string): void;
  /** How many subscribers a message should reach, this node among them; 0 before `join`. */
  expected(): number;
}

/**
 * Members with different subscriptions (another version, other sites) do not expect anything of each other.
 * @param id unique to this start of the process
 */
export function createMembers(options: { client: RedisClient; key: string; id: string }): Members {
  const { client, key, id } = options;
  let digest = '';
  let isMember = false;
  let known = new Set<string>();
  /** Until then members are not forgotten: Redis has lost its data, or this node was away, and the others may be back later. */
  let rememberUntil = 0;
  /** Counted when it changes, because it is asked for with each message. */
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
      const reply = await renewMembership(client, [key], [name(), String(LEASE_MS), isMember ? '1' : '0']);
      const [wasKnown, members] = reply as [number, string[]];
      if (!isMember) return;
      if (wasKnown === 0) rememberUntil = performance.now() + LEASE_MS;
      setKnown(new Set(performance.now() < rememberUntil ? [...known, ...members] : members));
    },
    isJoined: () => isMember,
    async leave() {
      isMember = false;
      await client.zRem(key, name());
    },
    name,
    noteJoined: (member) => setKnown(known.add(member)),
    noteLeft(member) {
      known.delete(member);
      setKnown(known);
    },
    expected: () => (isMember ? expected : 0),
  };
}
