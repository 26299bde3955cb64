import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBackend } from '#shared/backend/index.js';
import { inspection } from '#shared/contracts/inspection.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { API_KEY, signToken } from '../support/gateway.js';
import { until } from '../support/until.js';

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
          ...{ node, namespace: '/v1/shared', auth: { token, deviceId: `device-${node}` } },
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
    expect(await backend().findUsers(ann.id)).toEqual({
      users: [{ id: ann.id, name: 'Ann', accountId: ann.accountId, isOnline: true }],
    });
    for (const client of opened) client.close();
  });

  test('that is not known has empty lists, and is not found', async () => {
    const id = String(new Types.ObjectId());
    expect(await backend().findUsers(id)).toEqual({ users: [] });
    expect(await backend().inspectUser(id)).toEqual({
      ...{ id, name: null, accountId: null, isOnline: false, blockedUntil: null },
      ...{ connections: 0, sockets: [], devices: [], counters: null },
    });
  });

  test('with many sockets and messages is shown within bounds', async () => {
    const [ann] = await environment.people('Ann');
    const token = signToken({ uid: ann.id });
    const first = await environment.open(ann, { namespace: '/v1/shared', auth: { token, deviceId: 'phone' } });
    await until(async () => (await backend().devices(ann.id)).devices.length === 1);
    const others = await Promise.all(
      Array.from({ length: 104 }, (_, index) => environment.open(ann, { node: index % 2, namespace: '/v1/shared' })),
    );
    const entries = Array.from({ length: 1200 }, (_, index) => ({
      ...{ _id: String(new Types.ObjectId()), recipient: JSON.stringify(['', ann.id]), position: index + 1 },
      ...{ namespace: '/v1/conversation', body: '["m",1]', createdAt: new Date(1_700_000_000_000 + index) },
      checkAt: new Date(Date.now() + 3_600_000),
    }));
    await environment.models.DeliveryEntry.collection.insertMany(entries as never[]);
    await until(async () => (await backend().inspectUser(ann.id)).connections === 105);
    const user = await backend().inspectUser(ann.id);
    const opened = [first, ...others].map(({ id }) => id).sort();
    expect(user.sockets.map(({ socketId }) => socketId)).toEqual(opened.slice(0, 100));
    expect(user.sockets.every(({ address }) => address === '127.0.0.1')).toBe(true);
    expect(user.devices.find(({ deviceId }) => deviceId === 'phone')).toMatchObject({
      ...{ waiting: 1000, oldestAt: new Date(1_700_000_000_000).toISOString() },
    });
    for (const client of [first, ...others]) client.close();
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
      ...{ id, userId: ann.id, site: null, namespace: '/v1/shared', event: 'note', state: 'acked', push: null },
      ...{ key: expect.stringMatching(/^sha256:/), requestId: expect.any(String), expiresAt: null },
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
