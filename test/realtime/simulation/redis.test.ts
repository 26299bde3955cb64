import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRandom } from '../../support/random.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';
import { RedisError, type Reply, Simple } from './lua.js';
import { SimulatedRedis } from './redis.js';
import { VirtualTime } from './virtual-time.js';

let server: TestRedis;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.dispose());

/** Runs what its arguments say, so that both answer as they do within a script. */
const RUN = 'return redis.call(unpack(ARGV))';
const RUN_SAFELY = 'return redis.pcall(unpack(ARGV))';
const shaOf = (script: string): string => createHash('sha1').update(script).digest('hex');

const KEYS = ['a', 'b', 'c'];
const MEMBERS = ['x', 'y', 'grö ße', '1', ''];
const BOUNDS = ['-inf', '+inf', '(2', '2', '3', '(5'];

function createSimulated(): SimulatedRedis {
  const { next: random } = createRandom(1);
  return new SimulatedRedis({ time: new VirtualTime(random), random, onPublish: () => undefined });
}

/** A random command of those that the nodes use, with an answer that is not random. */
function randomCommand(random: () => number): string[] {
  const pick = (values: readonly string[]): string => values[Math.floor(random() * values.length)] as string;
  const [key, member, number] = [pick(KEYS), pick(MEMBERS), String(Math.floor(random() * 6))];
  return JSON.parse(
    pick(
      [
        ['GET', key],
        ['SET', key, member],
        ['SET', key, member, 'PX', '100000'],
        ['DEL', key, pick(KEYS)],
        ['EXISTS', key],
        ['MGET', key, pick(KEYS)],
        ['HGET', key, member],
        ['HSET', key, member, number],
        ['HSET', key, member, number, 'z', number],
        ['HDEL', key, member, 'z'],
        ['HLEN', key],
        ['HGETALL', key],
        ['SADD', key, member, number],
        ['SREM', key, member],
        ['SMEMBERS', key],
        ['SCARD', key],
        ['SISMEMBER', key, member],
        ['SUNION', key, pick(KEYS)],
        ['SPOP', key, '100'],
        ['SRANDMEMBER', key, '100'],
        ['SRANDMEMBER', 'none'],
        ['ZADD', key, number, member],
        ['ZADD', key, number, member],
        ['ZREM', key, member],
        ['ZSCORE', key, member],
        ['ZRANGE', key, '0', '-1'],
        ['ZRANGE', key, '0', '0', 'WITHSCORES'],
        ['ZRANGE', key, '1', '2'],
        ['ZRANGEBYSCORE', key, pick(BOUNDS), pick(BOUNDS)],
        ['ZCOUNT', key, pick(BOUNDS), pick(BOUNDS)],
        ['ZCARD', key],
        ['ZRANGEBYSCORE', key, '-inf', pick(BOUNDS), 'LIMIT', '0', number],
        ['ZREMRANGEBYSCORE', key, '-inf', pick(BOUNDS)],
        ['PUBLISH', 'channel', 'm'],
        ['PUBSUB', 'NUMSUB', 'channel'],
      ].map((command) => JSON.stringify(command)),
    ),
  );
}

/** As node-redis gives it. Sets and hashes have no order. */
function toPlain(reply: unknown, isUnordered: boolean): unknown {
  if (reply instanceof Simple) return reply.text;
  if (typeof reply === 'string') return Buffer.from(reply, 'latin1').toString();
  if (!Array.isArray(reply)) return reply;
  const plain = reply.map((one) => toPlain(one, false));
  return isUnordered ? plain.toSorted() : plain;
}

const CODES = /WRONGTYPE|syntax error|not a valid float/;
const codeOf = (error: unknown): string =>
  CODES.exec(error instanceof Error ? error.message : '')?.[0] ?? String(error);

test('the simulated Redis answers commands as a real one', async () => {
  const simulated = createSimulated();
  const { next: random } = createRandom(7);
  simulated.command('SCRIPT', 'LOAD', RUN);
  await server.command('SCRIPT', 'LOAD', RUN);
  for (let n = 0; n < 6_000; n += 1) {
    const command = randomCommand(random);
    const call = ['EVALSHA', shaOf(RUN), '0'];
    const expected = await server.command(...call, ...command).catch(codeOf);
    let actual: Reply | string;
    try {
      actual = simulated.command(...call, ...command.map((one) => Buffer.from(one).toString('latin1')));
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      actual = codeOf(error);
    }
    const isUnordered = /^(?:SMEMBERS|SUNION|SPOP|SRANDMEMBER|HGETALL)$/.test(command[0] ?? '');
    const sorted = isUnordered && Array.isArray(expected) ? expected.toSorted() : expected;
    expect(toPlain(actual, isUnordered), command.join(' ')).toEqual(sorted);
  }
});

test.each([
  'return { 1, "a", { 2, { "b" } }, 3.9 }',
  'return { 1, nil, 3 }',
  'return { true, false }',
  'return false',
  'return nil',
  'return redis.call("GET", "none") == false',
  'return tostring(redis.call("ZADD", "z", string.format("%.0f", 1767225600123), "m"))',
  'return string.format("%.0f", redis.call("ZSCORE", "z", "m") + 1)',
  'return tonumber(redis.call("ZSCORE", "z", "m")) * 1000 + math.floor(tonumber("999999") / 1000)',
  'return redis.call("SET", "s", "v")',
  'return { KEYS[1], #ARGV, unpack(ARGV, 2) }',
  'return redis.pcall("HGET", "z", "f")["err"] ~= nil',
  'return string.match("node-1:socket:x", "^([^:]*):(.*)$")',
  'local t = {}; for i = 1, 3 do table.insert(t, 1, i) end; return t',
  'return math.max(0, 3 - 10)',
])('the simulated Redis runs a script as a real one: %s', async (script) => {
  const simulated = createSimulated();
  const key = ['z', '1767225600123', 'm'];
  for (const run of [(...command: string[]) => simulated.command(...command), server.command])
    await run('EVALSHA', String(await toSha(run, RUN_SAFELY)), '0', 'ZADD', ...key);
  const call = ['EVALSHA', shaOf(script), '1', 'key', 'one', 'two', 'three'];
  simulated.command('SCRIPT', 'LOAD', script);
  await server.command('SCRIPT', 'LOAD', script);
  expect(toPlain(simulated.command(...call), false)).toEqual(await server.command(...call));
});

const toSha = async (run: (...command: string[]) => unknown, script: string): Promise<unknown> =>
  run('SCRIPT', 'LOAD', script);
