import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../support/until.js';
import { createRouterCluster, type RouterCluster, type RouterNode } from './routers.js';

const ROOMS = 100_000;
/** Rooms of one command, see `registrations.ts`. */
const CHUNK = 500;
/** The script, the keys that are not of rooms, the holder, and the number of rooms to add. */
const OVERHEAD = 8;
/** Of each room its name, its holders, and its last message. */
const ARGS_OF_ROOM = 3;
const BASE = 'test:{test:members}:routes:';

let cluster: RouterCluster;
let holder: RouterNode;
let other: RouterNode;
/** Arguments and items of the reply of the largest commands. */
const largest = { args: 0, reply: 0, commands: 0 };

function watch({ redis }: RouterNode): void {
  const { commands } = redis;
  const send = commands.sendCommand;
  const sendCommand: typeof commands.sendCommand = async (args, ...rest) => {
    largest.args = Math.max(largest.args, args.length);
    largest.commands += 1;
    const reply = await send(args, ...rest);
    if (Array.isArray(reply)) largest.reply = Math.max(largest.reply, reply.length);
    return reply as never;
  };
  Object.assign(commands, { sendCommand });
}

const sizeOf = async (key: string): Promise<number> => Number(await cluster.server.command('SCARD', BASE + key));
/** The holders whose rooms are not all removed. */
const holdersWithRooms = async (): Promise<string[]> =>
  (await cluster.server.command('KEYS', `${BASE}rooms-of:*`)) as string[];

beforeAll(async () => {
  cluster = await createRouterCluster();
  [holder, other] = [await cluster.start(), await cluster.start()];
});
afterAll(() => cluster.close());

test('100,000 rooms of one node are registered, registered again and removed in commands of bounded size', async () => {
  watch(holder);
  watch(other);
  const rooms = Array.from({ length: ROOMS }, (_, n) => `user:${n.toString(16).padStart(24, '0')}`);
  for (const room of rooms) holder.router.hold(room);
  await holder.router.confirmed(rooms);
  const [key] = await holdersWithRooms();
  expect(await sizeOf(String(key).slice(BASE.length))).toBe(ROOMS);

  await cluster.server.command('FLUSHALL');
  await until(async () => (await sizeOf('holders')) === 2);
  expect((await Promise.all((await holdersWithRooms()).map((one) => sizeOf(one.slice(BASE.length))))).at(0)).toBe(
    ROOMS,
  );
  // The last one is found by it.
  other.send('again', rooms.at(-1) ?? '');
  await cluster.settle();
  expect(holder.received).toEqual(['again']);

  await holder.kill();
  await until(async () => (await holdersWithRooms()).length === 0 && (await sizeOf('dead')) === 0);
  expect(await cluster.server.command('KEYS', `${BASE}holders-of:*`)).toEqual([]);

  expect(largest.args).toBeLessThanOrEqual(ARGS_OF_ROOM * CHUNK + OVERHEAD);
  expect(largest.reply).toBe(CHUNK);
  // Registered twice, and removed once in two steps, with little beside it.
  expect(largest.commands).toBeLessThan((4 * ROOMS) / CHUNK + 600);
});
