import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deliveryReasons } from '#shared/contracts/delivery-reasons.js';
import { connectSite, sent } from '../../../integrations/push-sites/site-client.js';
import { accessesOf } from '../../../integrations/query-plans.js';
import { connect } from '../../../support/client.js';
import { API_KEY, signToken, type TestGateway } from '../../../support/gateway.js';
import { until } from '../../../support/until.js';
import { openApplication } from '../application.js';
import {
  ask,
  createDeliveriesEnvironment,
  type DeliveriesEnvironment,
  news,
  reasons,
  send,
  sendMany,
} from './deliveries-environment.js';

let environment: DeliveriesEnvironment;
let a: TestGateway;
let b: TestGateway;
let alone: TestGateway;
/** Codes that were met. */
const met = new Set<string>();

beforeAll(async () => {
  environment = await createDeliveriesEnvironment();
  ({ a, b, alone } = environment);
});
afterAll(() => environment.close());

/** Expects what the newest messages of the event `m` are told to have come to, as soon as it is so. */
async function expectReasons(
  gateway: TestGateway,
  user: string,
  expected: Record<string, string>[],
  query = '',
): Promise<void> {
  await until(async () => {
    const found = (await reasons(gateway, user, query)).slice(0, expected.length);
    return JSON.stringify(found.map(sorted)) === JSON.stringify(expected.map(sorted));
  });
  for (const codes of expected) for (const code of Object.values(codes)) met.add(code);
}

const sorted = (codes: Record<string, string>) => Object.entries(codes).sort();

/** The device is known to the mailbox and to presence. */
const isKnown = (gateway: TestGateway, user: string, device: string, isConnected = true) =>
  until(async () => {
    const { devices } = await ask(gateway, user);
    return devices.some((known) => known.deviceId === device && known.isConnected === isConnected);
  });

/** A device that the mailbox knows and that has gone. */
async function away(gateway: TestGateway, user: string, deviceId: string): Promise<void> {
  const device = await openApplication(gateway, { user, deviceId });
  await device.ready();
  device.close();
  await isKnown(gateway, user, deviceId, false);
}

describe('on two nodes', () => {
  test('lists devices connected to the other node, disconnected, and unknown when the message was sent', async () => {
    await away(a, 'ann', 'tablet');
    const phone = await openApplication(b, { user: 'ann', deviceId: 'phone', isHeld: true });
    await phone.ready(a);
    await isKnown(a, 'ann', 'phone');
    const before = Date.now();
    const id = await send(a, 'ann/m', { secret: 'only for ann' });
    await phone.has(1);
    await expectReasons(a, 'ann', [{ phone: 'NOT_ACKNOWLEDGED', tablet: 'NOT_CONNECTED' }]);

    const { text } = await a.call('GET', '/users/ann/deliveries');
    expect(text).not.toContain('secret');
    const { messages, devices, keptForMs } = await ask(b, 'ann', 'event=m');
    const [message] = messages;
    expect(message).toMatchObject({ id, event: 'm', namespace: '/v1/shared', state: 'sent' });
    expect(Date.parse(message?.createdAt ?? '')).toBeGreaterThanOrEqual(before);
    expect(message?.devices.every(({ at }) => Date.parse(at ?? '') >= before)).toBe(true);
    expect(keptForMs).toBe(3_600_000);
    expect(devices.toSorted((x, y) => x.deviceId.localeCompare(y.deviceId))).toEqual([
      {
        deviceId: 'phone',
        isConnected: true,
        namespaces: ['/v1/shared'],
        waiting: 1,
        oldestAt: message?.createdAt,
        seenAt: expect.any(String),
      },
      {
        deviceId: 'tablet',
        isConnected: false,
        namespaces: [],
        waiting: expect.any(Number),
        oldestAt: expect.any(String),
        seenAt: expect.any(String),
      },
    ]);

    const laptop = await openApplication(a, { user: 'ann', deviceId: 'laptop' });
    await laptop.ready();
    phone.release();
    await until(async () => (await reasons(a, 'ann'))[0]?.['phone'] === 'ACKNOWLEDGED');
    const [codes] = await reasons(a, 'ann');
    expect(codes).toMatchObject({ phone: 'ACKNOWLEDGED', tablet: 'NOT_CONNECTED' });
    // A further device may get what was sent shortly before it connected.
    expect(['NO_RECORD', 'NOT_ACKNOWLEDGED', 'ACKNOWLEDGED']).toContain(codes?.['laptop']);
    phone.close();
    laptop.close();
    await isKnown(a, 'ann', 'phone', false);
  });

  test('explains a recipient that never connected', async () => {
    expect(await ask(a, 'no-device')).toEqual({ messages: [], devices: [], next: null, keptForMs: 3_600_000 });
    await send(a, 'no-device/m');
    await expectReasons(b, 'no-device', [{ null: 'NO_DEVICE_YET' }]);
    expect((await ask(b, 'no-device')).messages[0]?.devices[0]).toMatchObject({ deviceId: null, state: 'queued' });
    // What is not durable leaves no trace.
    await a.call('POST', '/emit/no-device/m', {});
    expect((await ask(a, 'no-device')).messages.length).toBe(1);
  });

  test('a device that is connected, but not to the namespace', async () => {
    const auth = { token: signToken({ uid: 'other' }), deviceId: 'd' };
    const elsewhere = await connect(b, { namespace: '/v1/conversation', auth });
    await isKnown(a, 'other', 'd');
    await send(b, 'other/m');
    await expectReasons(a, 'other', [{ d: 'OTHER_NAMESPACE' }]);
    expect((await ask(a, 'other')).messages[0]?.state).toBe('queued');
    await send(a, 'other/m?namespace=*');
    await expectReasons(a, 'other', [{ d: 'NOT_ACKNOWLEDGED' }, { d: 'OTHER_NAMESPACE' }]);
    const here = await openApplication(a, { user: 'other', deviceId: 'd' });
    await here.has(2);
    await expectReasons(b, 'other', [{ d: 'ACKNOWLEDGED' }, { d: 'ACKNOWLEDGED' }]);
    elsewhere.close();
    here.close();
  });

  test('a device that leaves too much unacknowledged', async () => {
    const device = await openApplication(b, { user: 'owing', deviceId: 'd', isHeld: true });
    await device.ready();
    await until(async () => (await ask(a, 'owing', 'event=probe_1')).messages[0]?.state === 'acked');
    await sendMany(a, 'owing', 502);
    await device.has(500);
    const expected = [{ d: 'STALLED' }, { d: 'STALLED' }, { d: 'NOT_ACKNOWLEDGED' }];
    await expectReasons(a, 'owing', expected, 'limit=3');
    await device.ask();
    expect(device.messages.length).toBe(500);
    expect((await ask(a, 'owing')).devices).toMatchObject([{ deviceId: 'd', waiting: 502 }]);
    device.release();
    await device.has(502);
    await expectReasons(a, 'owing', [{ d: 'ACKNOWLEDGED' }, { d: 'ACKNOWLEDGED' }]);
    device.close();
  });

  test('a message that follows a batch which is not acknowledged', async () => {
    await away(b, 'batch', 'd');
    for (const n of [1, 2, 3]) await send(a, 'batch/m', `${n}`.repeat(100_000));
    const device = await openApplication(b, { user: 'batch', deviceId: 'd', isHeld: true });
    await device.has(2);
    const held = [{ d: 'IN_LINE' }, { d: 'NOT_ACKNOWLEDGED' }, { d: 'NOT_ACKNOWLEDGED' }];
    await expectReasons(a, 'batch', held);
    device.release();
    await device.has(3);
    await expectReasons(a, 'batch', [{ d: 'ACKNOWLEDGED' }]);
    device.close();
  });

  test('covers a user of a push site, and no user of the same name elsewhere', async () => {
    environment.website.rooms.set('token-7', ['user_7']);
    const toSeven = { rooms: 'user_7', event: 'm', args: [1] };
    const held = await connectSite(b, news.name, { token: 'token-7', deviceId: 'd', isHeld: true });
    const quick = await connectSite(a, news.name, { token: 'token-7', deviceId: 'quick' });
    await sent(a, news, toSeven);
    await Promise.all([held.has(1), quick.has(1)]);
    await expectReasons(a, '7', [{ d: 'NOT_ACKNOWLEDGED', quick: 'NO_RECORD' }], 'site=news');
    held.close();
    await expectReasons(a, '7', [{ d: 'NOT_CONNECTED', quick: 'NO_RECORD' }], 'site=news');
    expect(await ask(a, '7')).toMatchObject({ messages: [], devices: [] });
    const [, onSite] = [await send(a, '7/m'), await ask(a, '7', 'site=news')];
    expect(onSite.messages.map(({ namespace }) => namespace)).toEqual(['/news']);
    expect((await ask(a, '7')).messages.map(({ namespace }) => namespace)).toEqual(['/v1/shared']);

    // Once every device has acknowledged it, nothing is left of it.
    const back = await connectSite(a, news.name, { token: 'token-7', deviceId: 'd' });
    await back.has(1);
    await until(async () => (await ask(b, '7', 'site=news')).messages.length === 0);
    for (const client of [quick, back]) client.close();
  });
});

describe('an expired message', () => {
  test('its time was over, before and after that was noted', async () => {
    await away(alone, 'late', 'd');
    await send(alone, 'late/m?ttl=10');
    environment.clock.advance(9999);
    await expectReasons(alone, 'late', [{ d: 'NOT_CONNECTED' }]);
    environment.clock.advance(1);
    await expectReasons(alone, 'late', [{ d: 'EXPIRED_TTL' }]);
    environment.clock.advance(31_000);
    await until(async () => (await ask(alone, 'late', 'event=m')).messages[0]?.state === 'expired');
    await expectReasons(alone, 'late', [{ d: 'EXPIRED_TTL' }]);
  });

  test('too many waited', async () => {
    await away(alone, 'full', 'd');
    await sendMany(alone, 'full', 630);
    await expectReasons(alone, 'full', [{ d: 'NOT_CONNECTED' }]);
    await until(async () => (await ask(alone, 'full', 'event=m&state=expired')).messages.length >= 25);
    await expectReasons(alone, 'full', [{ d: 'EXPIRED_OVERFLOW' }], 'state=expired');
  });

  test('the device was away for too long', async () => {
    await away(alone, 'gone', 'd');
    await send(alone, 'gone/m');
    environment.clock.advance(300_000);
    await environment.clock.advanceUntil(
      31_000,
      async () => (await ask(alone, 'gone', 'event=m')).messages[0]?.state === 'expired',
    );
    await expectReasons(alone, 'gone', [{ d: 'EXPIRED_DEVICE' }]);
    expect((await ask(alone, 'gone')).devices).toEqual([]);
  });

  test('an operator cleared the queue of the device', async () => {
    await away(alone, 'cleared', 'd');
    await send(alone, 'cleared/m');
    const path = '/users/cleared/devices/d/messages';
    expect((await alone.call('DELETE', path, undefined, { 'x-api-key': API_KEY })).status).toBe(200);
    await expectReasons(alone, 'cleared', [{ d: 'EXPIRED_CLEARED' }]);
  });

  test('what is stored of it was cut off', async () => {
    await away(alone, 'torn', 'd');
    const id = await send(alone, 'torn/m');
    await environment.modelsOfAlone.DeliveryEntry.updateOne({ _id: id }, { body: '["m",' });
    const back = await openApplication(alone, { user: 'torn', deviceId: 'd' });
    await until(() => back.resyncs() === 1);
    await until(async () => (await ask(alone, 'torn', 'event=m')).messages[0]?.state === 'expired');
    await expectReasons(alone, 'torn', [{ d: 'EXPIRED_UNREADABLE' }]);
    back.close();
  });

  test('a device of a push site starts over', async () => {
    environment.website.rooms.set('token-8', ['user_8']);
    const client = await connectSite(alone, news.name, { token: 'token-8', deviceId: 'd', isHeld: true });
    const say = async (count: number): Promise<void> => {
      await sent(alone, news, { rooms: 'user_8', event: 'm', args: [count] }, '&resync=true');
      await client.has(count);
    };
    // Until its mailbox is open, messages come as a batch, which has one acknowledgement for all.
    while (client.wire.at(-1) !== 'm') {
      await say(client.heard.length + 1);
      client.acknowledge(client.heard.length - 1);
    }
    const known = client.heard.length;
    await say(known + 1);
    await say(known + 2);
    client.acknowledge(known + 1);
    await expectReasons(alone, '8', [{ d: 'EXPIRED_RESYNC' }], 'site=news');
    client.close();
  });

  test('it was shown by push instead', async () => {
    await environment.modelsOfAlone.FcmToken.create({
      account_id: new Types.ObjectId(),
      user_id: 'pushed',
      web_token: ['pushed-phone'],
    });
    await away(alone, 'pushed', 'd');
    await send(alone, 'pushed/m?push=true&push_after=0', { title: 'x' });
    await environment.fcm.has('pushed-phone', 1);
    await expectReasons(alone, 'pushed', [{ d: 'PUSHED' }]);
  });
});

test('every code there is was met in its situation', () => {
  expect([...met].sort()).toEqual(Object.keys(deliveryReasons).sort());
});

describe('pages', () => {
  const pagesOf = async (user: string, query: string) => {
    const pages: string[][] = [];
    let next: string | null = '';
    while (next !== null) {
      const page = await ask(alone, user, `${query}${next === '' ? '' : `&before=${next}`}`);
      pages.push(page.messages.map(({ id }) => id));
      next = page.next;
    }
    return pages;
  };

  test('follow each other without a gap or a repetition, newest first', async () => {
    await away(alone, 'reader', 'd');
    const ids: string[] = [];
    for (let n = 0; n < 25; n += 1) ids.unshift(await send(alone, `reader/${n % 5 === 0 ? 'fifth' : 'm'}`));
    expect(await pagesOf('reader', 'limit=10&event=m')).toEqual([
      ids.filter((_, index) => (24 - index) % 5 !== 0).slice(0, 10),
      ids.filter((_, index) => (24 - index) % 5 !== 0).slice(10),
    ]);
    expect((await pagesOf('reader', 'limit=10&state=queued')).flat()).toEqual(ids);
    expect(await pagesOf('reader', 'limit=25&state=queued')).toEqual([ids]);
    expect((await pagesOf('reader', 'event=fifth')).flat().length).toBe(5);
    expect((await pagesOf('reader', 'state=pushed')).flat()).toEqual([]);
  });

  test('end at a time', async () => {
    await send(alone, 'since/m');
    environment.clock.advance(120_000);
    const since = new Date(environment.clock.now()).toISOString();
    const id = await send(alone, 'since/m');
    expect(await pagesOf('since', `since=${since}`)).toEqual([[id]]);
    expect((await pagesOf('since', `since=${new Date(environment.clock.now() + 1).toISOString()}`)).flat()).toEqual([]);
  });

  test.each(['say "hi"', 'back\\slash', '["a",1]', 'ключ 🔑'.repeat(16), 'a,b'])(
    'name the event %j as it was sent',
    async (event) => {
      await alone.call('POST', '/emit', { items: [{ userId: 'names', event, durable: true, payload: ['other"'] }] });
      const { messages } = await ask(alone, 'names', `event=${encodeURIComponent(event)}`);
      expect(messages.map((message) => message.event)).toEqual([event]);
    },
  );

  test('reads no more than its limit, by the index, whatever other recipients have', async () => {
    for (const user of ['crowd', 'crowd-2']) {
      await away(alone, user, 'd');
      for (let n = 0; n < 5; n += 1) await sendMany(alone, user, 500);
    }
    const { modelsOfAlone } = environment;
    const pages: string[][] = [];
    const accesses = await accessesOf(modelsOfAlone.DeliveryEntry.db, async () => {
      pages.push(...(await pagesOf('crowd', 'event=never')));
    });
    expect(pages).toEqual([[], []]);
    // The nodes look after their mailboxes meanwhile.
    const reads = accesses.filter(
      ({ collection, filter }) => collection.startsWith('delivery.') && JSON.stringify(filter).includes('crowd'),
    );
    expect(reads.length).toBeGreaterThan(10);
    for (const { collection, stages, documentsExamined, filter } of reads) {
      const access = `${collection} ${JSON.stringify(filter)}`;
      expect(stages, access).not.toContain('COLLSCAN');
      expect(stages, access).not.toContain('SORT');
      expect(documentsExamined, access).toBeLessThanOrEqual(collection === 'delivery.log' ? 1000 : 1);
    }
  });
});

test.each(['limit=0', 'limit=101', 'limit=x', 'before=x', 'before=-1', 'since=yesterday', 'state=lost', 'event=_x'])(
  '%s is no question',
  async (query) => {
    const { json } = await a.call('GET', `/users/ann/deliveries?${query}`);
    expect(json).toMatchObject({ errno: 400, message: 'VALIDATION_ERROR', details: [{ path: query.split('=')[0] }] });
  },
);

test('only backends ask, and only about sites that there are', async () => {
  expect((await a.call('GET', '/users/ann/deliveries', undefined, { 'x-api-key': 'wrong' })).status).toBe(401);
  expect((await a.call('GET', '/users/ann/deliveries?site=none')).json).toMatchObject({ message: 'NOT_FOUND' });
});
