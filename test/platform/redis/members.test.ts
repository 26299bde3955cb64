import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { CommandClient } from '../../../src/platform/redis/connection.js';
import { createMembers, type Members } from '../../../src/platform/redis/members.js';
import { createRandom } from '../../support/random.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';

const KEY = 'test:members';

let redis: TestRedis;
/** What Redis has answered to the members since the start of the test. */
let replies: unknown[] = [];
let client: CommandClient;
/** How far the time of the nodes is ahead. */
let aheadMs = 0;

beforeAll(async () => {
  redis = await startRedis();
  const sendCommand = async (args: readonly string[]): Promise<unknown> => {
    const reply = await redis.command(...args);
    replies.push(reply);
    return reply;
  };
  client = { sendCommand } as unknown as CommandClient;
  const { now } = performance;
  vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + aheadMs);
});
beforeEach(async () => {
  await redis.command('FLUSHALL');
  replies = [];
});
afterAll(() => {
  vi.restoreAllMocks();
  return redis.dispose();
});

/** Renewal of earlier versions: it returns all members. */
const EARLIER_RENEWAL = `
  local members, member, lease_ms, stays = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
  local time = redis.call('TIME')
  local at = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local is_new = redis.call('ZADD', members, string.format('%.0f', at + lease_ms), member)
  redis.call('ZREMRANGEBYSCORE', members, '-inf', string.format('%.0f', at))
  if stays == '0' then redis.call('ZREM', members, member) end
  return { 1 - is_new, redis.call('ZRANGE', members, 0, -1) }
`;
const renewEarlier = async (name: string): Promise<string[]> => {
  const reply = await redis.command('EVAL', EARLIER_RENEWAL, '1', KEY, name, '5000', '1');
  return (reply as [number, string[]])[1];
};

let nodes = 0;
/** A node that has joined so long ago that it does not remember members any more which Redis does not have. */
async function join(): Promise<Members> {
  nodes += 1;
  const members = createMembers({ client, key: KEY, id: `node-${nodes}` });
  members.join(['channel']);
  await members.renew();
  aheadMs += 20_000;
  return members;
}

/** Ends the lease of a member, as time does. */
const expire = (name: string): Promise<unknown> => redis.command('ZADD', KEY, '1', name);

/** The size of the answers of a second, once the members are known. */
async function answerBytes(count: number): Promise<number> {
  const all: Members[] = [];
  for (let n = 0; n < count; n += 1) all.push(await join());
  for (const members of all) await members.renew();
  for (const members of all) expect(members.expected()).toBe(count);
  replies = [];
  for (const members of all) await members.renew();
  expect(replies).toHaveLength(count);
  return Math.max(...replies.map((reply) => JSON.stringify(reply).length));
}

test('the answer to a renewal does not grow with the number of nodes', async () => {
  const bytes = await answerBytes(2);
  await redis.command('FLUSHALL');
  // The names of nodes have one digit more.
  expect(await answerBytes(50)).toBeLessThanOrEqual(bytes + 2);
});

test('a node that crashes is no member for any other node after their next renewals', async () => {
  const [crashed, ...others] = [await join(), await join(), await join()];
  for (const members of others) await members.renew();
  await expire(crashed?.name() ?? '');
  for (const members of others) await members.renew();
  expect(others.map((members) => members.expected())).toEqual([2, 2]);
});

test('all members are read again after a failure of Redis', async () => {
  const [one, other] = [await join(), await join()];
  await one.renew();
  const { sendCommand } = client;
  client.sendCommand = async () => {
    throw new Error('away');
  };
  await expect(one.renew()).rejects.toThrow('away');
  client.sendCommand = sendCommand;
  replies = [];
  await one.renew();
  expect(replies).toEqual([[1, expect.any(String), expect.arrayContaining([one.name(), other.name()])]]);
});

test.each([1, 2, 3])(
  'nodes know each other, also those of the earlier version, whatever comes and goes (seed %i)',
  async (seed) => {
    const { next: random } = createRandom(seed);
    const live: Members[] = [];
    /** Names of the members of the earlier version. */
    let earlier: string[] = [];
    const pick = <T>(values: readonly T[]): T | undefined => values[Math.floor(random() * values.length)];
    /** One that comes or goes in order is announced to all. */
    const announce = (note: (members: Members) => void): void => live.forEach(note);
    const changes: readonly (() => Promise<void>)[] = [
      async () => {
        const members = await join();
        announce((one) => one.noteJoined(members.name()));
        live.push(members);
      },
      async () => {
        nodes += 1;
        const name = `earlier-${nodes}:${live[0]?.name().split(':')[1]}`;
        await renewEarlier(name);
        earlier.push(name);
        announce((one) => one.noteJoined(name));
      },
      async () => {
        const gone = pick(live.slice(1));
        if (gone === undefined) return;
        live.splice(live.indexOf(gone), 1);
        if (random() < 0.5) return void (await expire(gone.name()));
        await gone.leave();
        announce((one) => one.noteLeft(gone.name()));
      },
      async () => {
        const gone = pick(earlier);
        if (gone === undefined) return;
        earlier = earlier.filter((name) => name !== gone);
        if (random() < 0.5) return void (await expire(gone));
        await redis.command('ZREM', KEY, gone);
        announce((one) => one.noteLeft(gone));
      },
    ];
    live.push(await join());
    for (let round = 0; round < 100; round += 1) {
      for (let left = 1 + Math.floor(random() * 4); left > 0; left -= 1) await pick(changes)?.();
      // In any order, as in a second.
      const renewals = [
        ...live.map((members) => () => members.renew()),
        ...earlier.map((name) => async () => void (await renewEarlier(name))),
      ].sort(() => random() - 0.5);
      for (const renew of renewals) await renew();
      // What ended in this round was removed by the first renewal.
      const names = [...live.map((members) => members.name()), ...earlier];
      expect(((await redis.command('ZRANGE', KEY, '0', '-1')) as string[]).toSorted()).toEqual(names.toSorted());
      expect(live.map((members) => members.expected())).toEqual(live.map(() => names.length));
      for (const name of earlier) expect((await renewEarlier(name)).toSorted()).toEqual(names.toSorted());
    }
  },
);
