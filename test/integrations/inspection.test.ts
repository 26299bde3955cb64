import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBackend } from '#shared/backend/index.js';
import { inspection } from '#shared/contracts/inspection.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { API_KEY, signToken } from '../support/gateway.js';
import { until } from '../support/until.js';
import { expectBoundedReads } from './console/reads.js';
import { accessesOf, expectBoundedAccess } from './query-plans.js';

let environment: TestEnvironment;
beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});
afterAll(() => environment?.close());

const backend = (node = 0) => createBackend({ url: environment.node(node).url, apiKey: API_KEY });
const answers = inspection.routes;

describe('a user', () => {
  test('is shown with the sockets of all nodes and what only their nodes know of them', async () => {
    const [ann] = await environment.people('Ann');
    const token = signToken({ uid: ann.id, account_id: ann.accountId });
    const opened = await Promise.all(
      [0, 1].map((node) =>
        environment.open(ann, {
          node,
          namespace: '/v1/shared',
          auth: { token, deviceId: `device-${node}` },
          extraHeaders: { 'user-agent': `Reader/${node} ${'x'.repeat(300)}` },
        }),
      ),
    );
    await until(async () => (await backend().inspectUser(ann.id)).devices.length === 2);
    for (const node of [0, 1]) {
      const user = await backend(node).inspectUser(ann.id.toUpperCase());
      expect(answers.user.answer.parse(user)).toEqual(user);
      expect(user).toMatchObject({ id: ann.id, name: 'Ann', accountId: ann.accountId, isOnline: true, connections: 2 });
      expect(user.sockets.map(({ socketId }) => socketId)).toEqual(opened.map(({ id }) => id).sort());
      const second = user.sockets.find(({ socketId }) => socketId === opened[1]?.id);
      expect(second).toMatchObject({ namespace: '/v1/shared', deviceId: 'device-1', address: '127.0.0.1' });
      expect(second?.client).toEqual({ transport: 'websocket', userAgent: `Reader/1 ${'x'.repeat(191)}` });
      expect(second?.tokenExpiresAt).toMatch(/Z$/);
    }
    expect(await backend().findUsers(ann.id.toUpperCase())).toEqual({
      users: [{ id: ann.id, name: 'Ann', accountId: ann.accountId, isOnline: true }],
      hasMore: false,
      isByName: true,
    });
    for (const client of opened) client.close();
  });

  test('that is not known has empty lists, and is not found', async () => {
    const id = String(new Types.ObjectId());
    expect(await backend().findUsers(id)).toEqual({ users: [], hasMore: false, isByName: true });
    expect(await backend().inspectUser(id)).toEqual({
      id,
      name: null,
      accountId: null,
      isOnline: false,
      blockedUntil: null,
      connections: 0,
      sockets: [],
      devices: [],
      counters: null,
    });
  });

  // The same with a thousand sockets and a hundred thousand messages: inspection.long.ts.
  test('with many sockets and messages is read, cleared and forgotten within bounds', async () => {
    await expectBoundedReads(environment, { sockets: 105, entries: 2400, redisMax: 1000 });
  });

  test('has the counters that are stored beside those that were counted', async () => {
    const [ann, bob] = await environment.people('Ann', 'Bob');
    const client = await environment.open(ann);
    await client.ask('add_conversation', { users: [bob.id], channel_id: 'general' });
    await environment.models.Member.updateOne({ user: ann.id }, { unread_count: 3 });
    await environment.models.Counter.updateOne({ user: ann.id, channel_id: 'you' }, { open: 99 });
    expect((await backend().inspectUser(ann.id)).counters).toEqual({
      stored: { open: 99, unread: 0, closed: 0, priority: 0, snoozed: 0 },
      recount: { open: 1, unread: 1, closed: 0, priority: 0, snoozed: 0 },
    });
    await client.ask('channel', {});
    const { counters } = await backend(1).inspectUser(ann.id);
    expect(counters?.stored).toEqual(counters?.recount);
  });
});

describe('a search by name', () => {
  const namesBy = async (text: string): Promise<(string | null)[]> =>
    (await backend().findUsers(text)).users.map(({ name }) => name);

  /** Users as other services store them. */
  const insert = async (users: readonly object[]): Promise<void> => {
    await environment.models.User.collection.insertMany(users as never[]);
  };

  test('finds the beginning of each name, in the order of names, whatever the case and the accents', async () => {
    await insert([
      { firstName: 'Zoë', lastName: 'Müller' },
      { firstName: 'zoe', lastName: 'Adler' },
      { firstName: 'Zoe Ann', lastName: 'Mulligan' },
      { firstName: 'Kim', lastName: 'Zoelle' },
      { name: 'ZOE of old', image: 'x' },
      { firstName: 'Azoe', lastName: 'Inside' },
      { name: 7, firstName: null, lastName: ['Zoe'] },
      { name: { $gt: 'Zoe' } },
    ]);
    const all = ['Kim Zoelle', 'zoe Adler', 'Zoe Ann Mulligan', 'Zoë Müller', 'ZOE of old'];
    for (const text of ['zoe', 'ZOË', ' Zoe ']) {
      expect(
        (await namesBy(text)).filter((name) => all.includes(name ?? '')),
        text,
      ).toEqual(all);
      expect(await namesBy(text), text).not.toContain('Azoe Inside');
    }
    expect(await namesBy('zoe m')).toEqual(['Zoë Müller']);
    expect(await namesBy('zoe  ann MUL')).toEqual(['Zoe Ann Mulligan']);
    expect(await namesBy('müll')).toEqual(['Zoe Ann Mulligan', 'Zoë Müller']);
    expect(await namesBy('zoe of')).toEqual(['ZOE of old']);
    expect(await namesBy('zoeq')).toEqual([]);
  });

  test.each(['.*', '^Z', '(', '$gt', '{"$gt":""}', '%', '\\'])('takes %s for text', async (text) => {
    await insert([{ name: `${text} literally` }]);
    expect(await namesBy(text)).toEqual([`${text} literally`]);
  });

  test('shows a page, says that there are more, and reads no more than a few ranges of it', async () => {
    const count = 3000;
    await insert(
      Array.from({ length: count }, (_, index) => ({
        firstName: 'Common',
        lastName: `Common ${String(index).padStart(4, '0')}`,
        name: `Common ${index}`,
      })),
    );
    const { users, hasMore } = await backend().findUsers('common');
    expect([users.length, hasMore]).toEqual([20, true]);
    const answer = await environment.node(1).call('GET', '/users?search=COMMON%20common&limit=100');
    const names = answer.json.data.users.map(({ name }: { name: string }) => name);
    expect(names).toEqual(Array.from({ length: 100 }, (_, index) => `Common Common ${String(index).padStart(4, '0')}`));

    const accesses = await accessesOf(environment.connection, () => backend().findUsers('common common x y z a b c'));
    const searches = accesses.filter(({ indexes }) => indexes.some((index) => index.startsWith('search_')));
    expect(searches.length).toBe(6);
    for (const access of await accessesOf(environment.connection, () => backend().findUsers('common'))) {
      expectBoundedAccess(access, 'a search by name', 21);
    }
  });

  test('is left out when the database lacks an index, and the id is searched all the same', async () => {
    const [ann] = await environment.people('Findable');
    await environment.models.User.collection.dropIndex('search_last_name');
    // One in another collation is of no use.
    await environment.models.User.collection.createIndex({ lastName: 1 });
    expect(await backend().findUsers('Findable')).toEqual({ users: [], hasMore: false, isByName: false });
    expect(await backend().findUsers(ann.id)).toMatchObject({ users: [{ id: ann.id }], isByName: false });
  });

  test.each(['', 'limit=0', 'limit=101', 'search=', 'search=a&search=b', 'search[$gt]=a'])(
    'refuses %j',
    async (query) => {
      const { status, json } = await environment
        .node(0)
        .call('GET', `/users?${query.includes('limit') ? 'search=a&' : ''}${query}`);
      expect([status, json.message]).toEqual([400, 'VALIDATION_ERROR']);
    },
  );
});

describe('a message', () => {
  test('has the node, the key and the call that it came by, and a time line of each device', async () => {
    const [ann] = await environment.people('Ann');
    const token = signToken({ uid: ann.id, account_id: ann.accountId });
    const [phone, laptop] = await Promise.all(
      ['phone', 'laptop'].map((deviceId, node) =>
        environment.open(ann, { node, namespace: '/v1/shared', auth: { token, deviceId } }),
      ),
    );
    await until(async () => (await backend().devices(ann.id)).devices.length === 2);
    laptop?.close();
    await until(async () => (await backend().connections(ann.id)).connections.length === 1);
    const { id } = await backend().emitDurable(ann.id, 'note', { secret: 1 }, { idempotencyKey: `of ${ann.id}` });
    const [, acknowledge] = (await phone?.next('note')) ?? [];
    (acknowledge as () => void)();
    await until(async () => (await backend(1).inspectMessage(id)).state === 'acked');
    const message = await backend(1).inspectMessage(id);
    expect(answers.message.answer.parse(message)).toEqual(message);
    const { nodes } = await backend().nodes();
    expect(nodes.map((node) => node.id)).toContain(message.node);
    expect(message).toMatchObject({
      id,
      userId: ann.id,
      site: null,
      namespace: '/v1/shared',
      event: 'note',
      state: 'acked',
      push: null,
      key: expect.stringMatching(/^sha256:/),
      requestId: expect.any(String),
      expiresAt: null,
    });
    const devices = new Map(message.devices.map((device) => [device.deviceId, device]));
    expect(devices.get('phone')).toMatchObject({
      state: 'acked',
      reason: 'ACKNOWLEDGED',
      acknowledgedAt: expect.any(String),
    });
    expect(devices.get('laptop')).toMatchObject({ state: 'queued', reason: 'NOT_CONNECTED', acknowledgedAt: null });
    expect(message.steps.map(({ what, deviceId }) => [what, deviceId])).toEqual([
      ['accepted', undefined],
      ['acknowledged', 'phone'],
    ]);
    expect(JSON.stringify(message)).not.toContain('secret');
    expect(await backend().inspectMessageOf(`of ${ann.id}`)).toEqual(message);
    phone?.close();
  });

  test('that is not known is not found', async () => {
    await expect(backend().inspectMessage(String(new Types.ObjectId()))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(backend().inspectMessageOf('no such key')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
