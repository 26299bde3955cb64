import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBackend } from '#shared/backend/index.js';
import { withKey } from '../../../../src/realtime/delivery/message.js';
import { SendWindow } from '../../../../src/realtime/delivery/outbox/window.js';
import { createEntry } from '../../../../src/realtime/delivery/storage/entry.js';
import type { TestClient } from '../../../support/client.js';
import { createTestEnvironment, type TestEnvironment, type TestUser } from '../../../support/environment.js';
import { API_KEY, signToken } from '../../../support/gateway.js';
import { until } from '../../../support/until.js';

let environment: TestEnvironment;
beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});
afterAll(() => environment?.close());

const backend = (node = 0) => createBackend({ url: environment.node(node).url, apiKey: API_KEY });

const open = ({ id }: TestUser, deviceId: string, node = 0) =>
  environment.open(
    { id, accountId: '', name: '' },
    { node, namespace: '/v1/shared', auth: { token: signToken({ uid: id }), deviceId } },
  );

const waitingOf = async ({ id }: TestUser) =>
  new Map((await backend().devices(id)).devices.map(({ deviceId, waiting }) => [deviceId, waiting]));

/** A user with devices that have been connected once. */
async function personWith(...deviceIds: string[]): Promise<TestUser> {
  const [ann] = await environment.people('Ann');
  for (const deviceId of deviceIds) {
    const client = await open(ann, deviceId);
    await until(async () => (await waitingOf(ann)).has(deviceId));
    client.close();
  }
  // The node that they were connected to knows it before the other one, which reads it in the database.
  for (const node of [0, 1]) {
    await until(async () => (await backend(node).devices(ann.id)).devices.every(({ isConnected }) => !isConnected));
  }
  return ann;
}

/** Forgets a device whose client has closed its connection. Its mailbox has that a moment later than the list of connections. */
const forgetClosed = ({ id }: TestUser, deviceId: string, node = 0): Promise<void> =>
  until(() =>
    backend(node)
      .forgetDevice(id, deviceId)
      .then(
        () => true,
        (error: { code?: string }) => {
          if (error.code === 'CONFLICT') return false;
          throw error;
        },
      ),
  );

/** The names of the messages that a client gets, each of which it acknowledges. */
function acknowledgeAll(client: TestClient): string[] {
  const received: string[] = [];
  client.socket.onAny((event: string, ...args: unknown[]) => {
    const acknowledge = args.at(-1);
    if (typeof acknowledge !== 'function') return;
    if (event === '_batch') received.push(...(args[0] as [string][]).map(([name]) => name));
    else received.push(event);
    acknowledge();
  });
  return received;
}

describe('a queue that is cleared', () => {
  test('is that of one device, which hears of it on the other node at once', async () => {
    const ann = await personWith('phone', 'tablet');
    const phone = await open(ann, 'phone', 1);
    for (const event of ['one', 'two']) await backend().emitDurable(ann.id, event);
    await phone.next('two');
    expect(await waitingOf(ann)).toEqual(new Map([['phone', 2] as const, ['tablet', 2]]));
    expect(await backend(0).clearDevice(ann.id, 'phone')).toEqual({ cleared: 2 });
    expect(await phone.next('_resync')).toEqual([]);
    expect(await waitingOf(ann)).toEqual(
      new Map([
        ['phone', 0],
        ['tablet', 2],
      ]),
    );
    const { messages } = await backend().deliveries(ann.id);
    expect(messages.map(({ devices }) => devices.find(({ deviceId }) => deviceId === 'phone')?.reason)).toEqual([
      'EXPIRED_CLEARED',
      'EXPIRED_CLEARED',
    ]);
    // The phone is live: what follows comes, and nothing comes again at the next connect.
    await backend().emitDurable(ann.id, 'three');
    await phone.next('three');
    phone.close();
    await until(async () => (await backend().connections(ann.id)).connections.length === 0);
    const again = await open(ann, 'phone', 0);
    const [[batch]] = [await again.next('_batch')] as [[[string][]]];
    expect(batch.map(([event]) => event)).toEqual(['three']);
    const tablet = acknowledgeAll(await open(ann, 'tablet', 1));
    await until(() => tablet.length === 3);
    expect(tablet).toEqual(['one', 'two', 'three']);
  });

  test('of a device that is away is told when it connects', async () => {
    const ann = await personWith('phone');
    await backend().emitDurable(ann.id, 'old');
    expect(await backend(1).clearDevice(ann.id, 'phone')).toEqual({ cleared: 1 });
    expect(await backend(1).clearDevice(ann.id, 'phone')).toEqual({ cleared: 0 });
    await backend().emitDurable(ann.id, 'new');
    const phone = await open(ann, 'phone');
    const received = acknowledgeAll(phone);
    expect(await phone.next('_resync')).toEqual([]);
    await until(() => received.includes('new'));
    expect(received).toEqual(['new']);
  });

  test('while messages are sent loses none that it has not cleared', async () => {
    const ann = await personWith('phone', 'tablet');
    const received = acknowledgeAll(await open(ann, 'phone', 1));
    const names = Array.from({ length: 60 }, (_, index) => `m${index}`);
    const sending = (async () => {
      for (const [index, name] of names.entries()) await backend(index % 2).emitDurable(ann.id, name);
    })();
    let isDone = false;
    const ended = sending.finally(() => {
      isDone = true;
    });
    while (!isDone) await backend().clearDevice(ann.id, 'phone');
    await ended;
    await until(async () => (await waitingOf(ann)).get('phone') === 0);
    const { messages } = await backend().deliveries(ann.id, { limit: 100 });
    const lost = messages.filter(({ event }) => !received.includes(event));
    const reasonOf = ({ devices }: (typeof messages)[number], id: string) =>
      devices.find(({ deviceId }) => deviceId === id)?.reason;
    expect(messages).toHaveLength(names.length);
    expect(lost.map((message) => reasonOf(message, 'phone'))).toEqual(lost.map(() => 'EXPIRED_CLEARED'));
    expect(messages.every((message) => reasonOf(message, 'tablet') === 'NOT_CONNECTED')).toBe(true);
  });

  test('of a device that is not known is not found', async () => {
    const ann = await personWith('phone');
    await expect(backend().clearDevice(ann.id, 'other')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(backend().forgetDevice(ann.id, 'other')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

/** Device ids that a path cannot name. */
describe.each(['', '.', '..'])('the device with the id "%s"', (deviceId) => {
  test('can be cleared and forgotten, and no other device is', async () => {
    const ann = await personWith(deviceId, 'tablet');
    await backend().emitDurable(ann.id, 'one');
    expect(await backend(1).clearDevice(ann.id, deviceId)).toEqual({ cleared: 1 });
    expect(await waitingOf(ann)).toEqual(new Map([[deviceId, 0] as const, ['tablet', 1]]));
    const client = await open(ann, deviceId, 1);
    expect(await client.next('_resync')).toEqual([]);
    await until(async () => (await backend().connections(ann.id)).connections.length === 1);
    await expect(backend().forgetDevice(ann.id, deviceId)).rejects.toMatchObject({ code: 'CONFLICT' });
    client.close();
    await forgetClosed(ann, deviceId);
    expect(await waitingOf(ann)).toEqual(new Map([['tablet', 1]]));
    await expect(backend().clearDevice(ann.id, deviceId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

test('a call that names no device is refused, and clears nothing', async () => {
  const ann = await personWith('', 'phone');
  await backend().emitDurable(ann.id, 'one');
  for (const path of ['device', 'device/messages']) {
    const { status, json } = await environment.node(0).call('DELETE', `/users/${ann.id}/${path}`);
    expect([status, json.details[0].path]).toEqual([400, 'deviceId']);
  }
  expect(await waitingOf(ann)).toEqual(new Map([['', 1] as const, ['phone', 1]]));
});

describe('a device that is forgotten', () => {
  test('is gone with its queue, and is told when it comes back; another one keeps its own', async () => {
    const hostile = '<b>\n../\0"%2f';
    const ann = await personWith(hostile, 'tablet');
    await backend().emitDurable(ann.id, 'old');
    await forgetClosed(ann, hostile, 1);
    expect(await waitingOf(ann)).toEqual(new Map([['tablet', 1]]));
    const { messages } = await backend().deliveries(ann.id);
    expect(messages[0]?.devices.map(({ reason }) => reason).sort()).toEqual(['EXPIRED_DEVICE', 'NOT_CONNECTED']);
    const back = await open(ann, hostile);
    expect(await back.next('_resync')).toEqual([]);
    const tablet = acknowledgeAll(await open(ann, 'tablet'));
    await until(() => tablet.includes('old'));
  });

  test('must not be connected, on any node', async () => {
    const ann = await personWith('phone');
    const phone = await open(ann, 'phone', 1);
    await until(async () => (await backend().connections(ann.id)).connections.length === 1);
    await expect(backend(0).forgetDevice(ann.id, 'phone')).rejects.toMatchObject({ code: 'CONFLICT' });
    expect((await waitingOf(ann)).has('phone')).toBe(true);
    phone.close();
  });
});

test('messages that were sent above a position that is skipped still wait for their acknowledgements', () => {
  const window = new SendWindow(['/v1/shared']);
  const recipient = withKey({ site: '', userId: 'ann' });
  const toEntry = (position: number) =>
    createEntry({
      id: String(position),
      recipient,
      position,
      namespace: '/v1/shared',
      body: '["m"]',
      createdAt: 0,
      expireAt: null,
      isResync: false,
      keepsReceipt: true,
      hasPush: false,
    });
  for (const position of [1, 2, 3]) window.add(toEntry(position).sent);
  window.clearThrough(2);
  expect(window.size).toBe(1);
  expect(window.acked(3)).toEqual({ '/v1/shared': { upTo: 2, holes: [] } });
});
