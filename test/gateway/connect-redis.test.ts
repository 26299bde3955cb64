import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSocket } from '../support/client.js';
import { createTestEnvironment, type TestEnvironment, type TestUser } from '../support/environment.js';
import { until } from '../support/until.js';

const CLIENTS = 60;
const CIRCLE = 10;

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, env: { ADDRESS_CONNECTIONS_MAX: '0' } });
});
afterAll(() => environment.close());

/** Messages between nodes so far. */
async function countMessages(): Promise<number> {
  const stats = String(await environment.redis().command('INFO', 'commandstats'));
  return Number(/^cmdstat_publish:calls=(\d+)/m.exec(stats)?.[1] ?? 0);
}

async function addCircles(): Promise<TestUser[]> {
  const users: TestUser[] = await environment.people(...Array.from({ length: CLIENTS }, (_, n) => `User ${n}`));
  for (let start = 0; start < users.length; start += CIRCLE) {
    const participants = users.slice(start, start + CIRCLE).map(({ id }) => new Types.ObjectId(id));
    await environment.models.Chat.create({ participants, type: 'group' });
  }
  return users;
}

test('users who enter the chats on two nodes hear of each other by a few messages between the nodes', async () => {
  const users = await addCircles();
  const before = await countMessages();
  const clients = users.map(({ id, accountId }, n) => {
    const node = environment.node(n % 2);
    const socket = openSocket(node, { namespace: '/', claims: { uid: id, account_id: accountId } });
    const online = new Set<string>();
    socket.on('presence_snapshot', (snapshot: { online: string[] }) => {
      for (const one of snapshot.online) online.add(one);
    });
    socket.on('user_online', ({ userId }: { userId: string }) => void online.add(userId));
    return { socket, online };
  });
  await until(() => clients.every(({ online }) => online.size >= CIRCLE - 1));
  // Each user was announced to contacts on the other node.
  expect((await countMessages()) - before).toBeLessThan(CLIENTS / 2);
  for (const [n, { socket, online }] of clients.entries()) {
    const start = n - (n % CIRCLE);
    const others = users.slice(start, start + CIRCLE).filter((_, index) => start + index !== n);
    expect([...online].sort()).toEqual(others.map(({ id }) => id).sort());
    socket.close();
  }
});
