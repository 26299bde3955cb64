import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Recorder, recordCommands } from '../queries/recorder.js';
import { openSocket } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, type TestEnvironment, type TestUser } from '../support/environment.js';
import { until } from '../support/until.js';

/*
 * What connects cost in commands of the database. The clock stands still, so nothing is asked at intervals. The database is
 * held while clients connect: they are let in without it, and what each of them needs is gathered meanwhile.
 */

const CLIENTS = 100;
const CIRCLE = 10;
const MISSED = 10;
/** Commands for each client. */
const EACH_MAX = 0.2;

const clock = createTestClock();
let recorder: Recorder;
let environment: TestEnvironment;

beforeAll(async () => {
  recorder = recordCommands('general-socket');
  environment = await createTestEnvironment({ overrides: { clock }, env: { ADDRESS_CONNECTIONS_MAX: '0' } });
});
afterAll(async () => {
  await environment.close();
  recorder.stop();
});

/** Users who share a chat, a conversation of the support chat and a department with nine others. */
async function addCircles(): Promise<TestUser[]> {
  const users: TestUser[] = await environment.people(...Array.from({ length: CLIENTS }, (_, n) => `User ${n}`));
  for (let start = 0; start < users.length; start += CIRCLE) {
    const participants = users.slice(start, start + CIRCLE).map(({ id }) => new Types.ObjectId(id));
    await environment.models.Chat.create({ participants, type: 'group' });
    await environment.models.SupportConversation.create({ participants });
    await environment.models.Department.create({ name: 'Department', members: participants });
  }
  return users;
}

/** The users whose connect is dealt with: they were seen, and their device is known. */
async function areKnown(users: readonly TestUser[], { hasMailbox }: { hasMailbox: boolean }): Promise<boolean> {
  const { User, DeliveryRecipient } = environment.models;
  const ids = users.map(({ id }) => id);
  const seen = await User.countDocuments({ _id: { $in: ids }, lastSeen: { $exists: true } });
  const keys = ids.map((id) => JSON.stringify(['', id]));
  const known = hasMailbox ? await DeliveryRecipient.countDocuments({ _id: { $in: keys } }) : users.length;
  return seen === users.length && known === users.length;
}

/** Commands that were sent since, by name and collection. */
function countSince(start: number): { total: number; byKind: Record<string, number> } {
  const byKind: Record<string, number> = {};
  for (const { name, command } of recorder.commands.slice(start)) {
    const kind = `${name} ${String(command[name])}`;
    byKind[kind] = (byKind[kind] ?? 0) + 1;
  }
  return { total: Object.values(byKind).reduce((sum, count) => sum + count, 0), byKind };
}

test('100 clients enter /v1/shared without the database, and then ask it a few times together', async () => {
  const users = await addCircles();
  const before = recorder.commands.length;
  const release = recorder.hold();
  await Promise.all(users.map((user) => environment.open(user, { namespace: '/v1/shared' })));
  release();
  await until(() => areKnown(users, { hasMailbox: true }));
  const { total, byKind } = countSince(before);
  expect(total, JSON.stringify(byKind)).toBeLessThanOrEqual(EACH_MAX * CLIENTS);
  // The chats have no connected users, so it is not asked who shares a chat with whom.
  expect(Object.keys(byKind).filter((kind) => /chats|conversations|departments/.test(kind))).toEqual([]);
});

test('100 clients who enter the chats together share their queries, and each hears who is there', async () => {
  const users = await addCircles();
  const node = environment.node(0);
  const before = recorder.commands.length;
  const release = recorder.hold();
  const sockets = users.map((user) => {
    const socket = openSocket(node, { namespace: '/', claims: { uid: user.id, account_id: user.accountId } });
    const online = new Set<string>();
    socket.on('presence_snapshot', (snapshot: { online: string[] }) => {
      for (const id of snapshot.online) online.add(id);
    });
    socket.on('user_online', ({ userId }: { userId: string }) => void online.add(userId));
    return { socket, online, opened: new Promise<void>((resolve) => socket.io.once('open', () => resolve())) };
  });
  await Promise.all(sockets.map(({ opened }) => opened));
  // Answered after what the clients have sent until now.
  for (let calls = 0; calls < 2; calls += 1) await node.call('GET', '/health/live');
  release();
  await until(() => sockets.every(({ online }) => online.size >= CIRCLE - 1));
  await until(() => areKnown(users, { hasMailbox: false }));
  const { total, byKind } = countSince(before);
  expect(total, JSON.stringify(byKind)).toBeLessThanOrEqual(EACH_MAX * CLIENTS);
  for (const [n, { socket, online }] of sockets.entries()) {
    const start = n - (n % CIRCLE);
    const others = users.slice(start, start + CIRCLE).filter((_, index) => start + index !== n);
    expect([...online].sort()).toEqual(others.map(({ id }) => id).sort());
    socket.close();
  }
});

test('100 clients that come back with 10 missed messages each read them together', async () => {
  const users = await addCircles();
  const node = environment.node(0);
  const first = await Promise.all(users.map((user) => environment.open(user, { namespace: '/v1/shared' })));
  await until(() => areKnown(users, { hasMailbox: true }));
  for (const client of first) client.close();
  const numbers = Array.from({ length: MISSED }, (_, n) => n);
  const items = users.flatMap(({ id }) =>
    numbers.map((payload) => ({ userId: id, event: 'm', payload, durable: true })),
  );
  for (let start = 0; start < items.length; start += 500) {
    const { status } = await node.call('POST', '/emit', { items: items.slice(start, start + 500) });
    expect(status).toBe(200);
  }

  const before = recorder.commands.length;
  const release = recorder.hold();
  const received = users.map((): number[] => []);
  const sockets = users.map((user, n) => {
    const socket = openSocket(node, { claims: { uid: user.id, account_id: user.accountId } });
    socket.on('_batch', (events: [string, number][], acknowledge: () => void) => {
      received[n]?.push(...events.map(([, payload]) => payload));
      acknowledge();
    });
    return { socket, connected: new Promise<void>((resolve) => socket.once('connect', () => resolve())) };
  });
  await Promise.all(sockets.map(({ connected }) => connected));
  release();
  await until(() => received.every(({ length }) => length >= MISSED));
  await until(async () => (await countBehind(users)) === 0);
  expect(received).toEqual(users.map(() => numbers));
  const { total, byKind } = countSince(before);
  expect(total, JSON.stringify(byKind)).toBeLessThanOrEqual(EACH_MAX * CLIENTS);
  for (const { socket } of sockets) socket.close();
});

/** Users whose device has not acknowledged everything, as far as the database knows. */
async function countBehind(users: readonly TestUser[]): Promise<number> {
  const keys = users.map(({ id }) => JSON.stringify(['', id]));
  const mailboxes = await environment.models.DeliveryRecipient.find({ _id: { $in: keys } }).lean<
    { devices: Device[] }[]
  >();
  const isUpToDate = ({ acked }: Device): boolean => acked['/v1/shared']?.upTo === MISSED;
  return users.length - mailboxes.filter(({ devices }) => devices.some(isUpToDate)).length;
}

interface Device {
  readonly acked: Readonly<Record<string, { readonly upTo: number }>>;
}
