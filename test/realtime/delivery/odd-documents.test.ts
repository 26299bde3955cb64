import { type Model, Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isDuplicateKey } from '../../../src/platform/mongo/duplicate-key.js';
import { keyOf } from '../../../src/realtime/delivery/message.js';
import { createTestClock, type TestClock } from '../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import { startFcm, type TestFcm } from '../../support/fcm.js';
import type { TestGateway } from '../../support/gateway.js';
import { oddValuesFor } from '../../support/odd-values.js';
import { until } from '../../support/until.js';
import { type Application, openApplication } from './application.js';

/*
 * One document of delivery that the gateway did not write like this, for each field of the model and each odd value. All that
 * is done with it goes on for its user and for all others: nothing fails, and a device has each message, or a `_resync`. The
 * clock stands still, so nothing that has failed is tried again.
 */

const HOUR_MS = 3_600_000;
/** Each test is some hundred histories of a user. */
const TIMEOUT_MS = 600_000;
/** Each variant is a history of its own, of a second. */
const FEWER = 3;
/** Users who are looked at together. */
const TOGETHER = 25;

let environment: TestEnvironment;
let gateway: TestGateway;
let clock: TestClock;
let fcm: TestFcm;

beforeAll(async () => {
  clock = createTestClock();
  fcm = await startFcm();
  const env = { MAILBOX_MAX: '4', DEVICE_TTL: '7200', ...fcm.env };
  environment = await createTestEnvironment({ overrides: { clock, pushAgent: fcm.agent }, env });
  environment.defer(() => fcm.close());
  gateway = environment.node(0);
});
afterAll(() => environment.close());

/** An odd value in a field. */
interface Variant {
  readonly user: string;
  readonly about: string;
  readonly path: string;
  readonly update: object;
}

/** One for each field of a model, at any depth, and odd value. @param toPath where the field of a list is in the document */
function variantsOf(
  model: Model<never>,
  toPath = (path: string) => path,
  more: readonly [string, string][] = [],
): Variant[] {
  const fields: [path: string, type: string | undefined][] = [];
  const collect = (schema: Model<never>['schema'], prefix: string): void => {
    for (const [path, type] of Object.entries(schema.paths)) {
      if (path === '_id' || path === '__v') continue;
      fields.push([prefix + path, type.instance]);
      if (type.schema !== undefined) collect(type.schema as never, `${prefix}${path}.0.`);
    }
  };
  collect(model.schema, '');
  return [...fields, ...more].flatMap(([path, type], place) =>
    oddValuesFor(type, place, FEWER).map(([kind, make]) => {
      const value = make();
      const field = toPath(path);
      return {
        user: String(new Types.ObjectId()),
        about: `${path}: ${kind}`,
        path,
        update: value === undefined ? { $unset: { [field]: '' } } : { $set: { [field]: value } },
      };
    }),
  );
}

async function eachTogether<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < all.length; start += TOGETHER)
    await Promise.all(all.slice(start, start + TOGETHER).map(work));
}

const isStored = (writing: Promise<unknown>): Promise<boolean> =>
  writing.then(
    () => true,
    (error: unknown) => {
      if (!isDuplicateKey(error)) throw error;
      return false;
    },
  );

const keyOfUser = (userId: string): string => keyOf({ site: '', userId });

async function call(about: string, method: string, path: string, body?: unknown) {
  const { status, json } = await gateway.call(method, path, body);
  expect([about, method, path, status, json?.message]).not.toContain(500);
  return { status, json };
}

async function send(about: string, user: string, n: number): Promise<string> {
  const { status, json } = await call(about, 'POST', `/emit/${user}/m?durable=true`, JSON.stringify(n));
  expect([about, n, status]).toEqual([about, n, 200]);
  return json.data.id;
}

/** All that is asked about a user, with an answer that is no failure. */
async function look({ about, user }: Variant, id?: string): Promise<void> {
  for (const path of ['deliveries?state=queued&event=m', 'deliveries', 'devices']) {
    expect([about, path, (await call(about, 'GET', `/users/${user}/${path}`)).status]).toEqual([about, path, 200]);
  }
  if (id === undefined) return;
  await call(about, 'GET', `/emit/${id}`);
  await call(about, 'GET', `/messages/${id}`);
}

const isAcked = (about: string, id: string) =>
  until(async () => (await call(about, 'GET', `/emit/${id}`)).json.data?.state === 'acked');

/** Waits for something; says of which variant it did not come. */
async function comes(about: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(condition, { message: about, timeout: 60_000 }).toBe(true);
}

const open = (user: string, deviceId: string): Promise<Application> => openApplication(gateway, { user, deviceId });

test('an odd entry of the log stops no user, and is sent or given up with a `_resync`', {
  timeout: TIMEOUT_MS,
}, async () => {
  const { DeliveryEntry } = environment.models;
  const bodies = ['', 'no JSON', '{}', '[]', '[7]', '["disconnect"]', '"m"', 'null'].map((body) => ({
    user: String(new Types.ObjectId()),
    about: `body: ${body}`,
    path: 'body',
    update: { $set: { body } },
  }));
  const variants = [...variantsOf(DeliveryEntry as never), ...bodies];
  const lost: (() => Promise<void>)[] = [];
  await eachTogether(variants, async (variant) => {
    const { about, user, update, path } = variant;
    for (const deviceId of ['away', 'd']) {
      const known = await open(user, deviceId);
      await known.ready();
      known.close();
    }
    const ids = [];
    for (const n of [1, 2, 3]) ids.push(await send(about, user, n));
    const [, oddId = ''] = ids;
    // A list that is needed for the path of a field in it.
    if (path.startsWith('outcomes.')) {
      const outcome = { device: 'other', at: new Date() };
      await DeliveryEntry.collection.updateOne({ _id: oddId as never }, { $set: { outcomes: [outcome] } });
    }
    // The index keeps out what has the position of another message.
    if (!(await isStored(DeliveryEntry.collection.updateOne({ _id: oddId as never }, update)))) return;
    await look(variant, oddId);

    const device = await open(user, 'd');
    await comes(
      `${about}: what is stored beside it`,
      () => [1, 3].every((n) => device.messages.includes(n)) || device.resyncs() > 0,
    );
    const fourth = await send(about, user, 4);
    await comes(`${about}: what is sent after it`, () => device.messages.includes(4));
    await isAcked(about, fourth);
    for (const n of [5, 6, 7]) await send(about, user, n);
    await comes(`${about}: what is sent later`, () => device.messages.includes(7));
    const later = await open(user, 'away');
    // Seven messages waited, of which four may: the oldest are given up.
    await comes(`${about}: overflow`, () => later.messages.includes(7) && later.resyncs() > 0);
    expect([about, (await call(about, 'DELETE', `/users/${user}/devices/away/messages`)).status]).toEqual([about, 200]);
    later.close();
    device.close();
    // Without a recipient no user has lost it.
    if (path === 'recipient') return;
    lost.push(async () => {
      if (device.messages.includes(2) || device.resyncs() > 0) return;
      const back = await open(user, 'd');
      await comes(`${about}: the device is told of the loss`, () => back.resyncs() > 0 || back.messages.includes(2));
      back.close();
    });
  });
  const keys = variants.map(({ user }) => keyOfUser(user));
  const left = () =>
    DeliveryEntry.countDocuments({ recipient: { $in: keys }, namespace: { $ne: '' }, checkAt: { $type: 'date' } });
  await clock.advanceUntil(60_000, async () => (await left()) === 0);
  await eachTogether(lost, (look) => look());
});

test('an odd mailbox stops no user, and its devices get what was sent, or a `_resync`', {
  timeout: TIMEOUT_MS,
}, async () => {
  const { DeliveryRecipient } = environment.models;
  const acked = (more: string): [string, string] => [
    `devices.0.acked./v1/shared${more}`,
    more === '' ? 'Mixed' : 'Number',
  ];
  const inside: [string, string][] = [
    acked(''),
    acked('.upTo'),
    acked('.holes'),
    ['devices.0.sent./v1/shared', 'Number'],
    ['resyncFlags.0', 'String'],
    ['devices.0', 'Mixed'],
    ['devices.0.nodes.0', 'String'],
  ];
  // Another text as its id is another device.
  const isOtherDevice = ({ about }: Variant): boolean => /^devices\.0\.id: (?:string|id as text)$/.test(about);
  const holes = 'devices.0.acked./v1/shared.holes';
  const variants = [
    ...variantsOf(DeliveryRecipient as never, (path) => path, inside).filter((one) => !isOtherDevice(one)),
    {
      user: String(new Types.ObjectId()),
      about: `${holes}: behind all that is acknowledged`,
      path: holes,
      update: { $set: { [holes]: [70, 80] } },
    },
  ];
  await eachTogether(variants, async (variant) => {
    const { about, user, update, path } = variant;
    const makeOdd = async (): Promise<void> => {
      const _id = keyOfUser(user) as never;
      if (path.startsWith('expirations.')) {
        const expiration = { device: 'd', reason: 'ttl', start: 0, acked: {}, upTo: 1, at: new Date() };
        await DeliveryRecipient.collection.updateOne({ _id }, { $set: { expirations: [expiration] } });
      }
      if (path.startsWith('resyncFlags.'))
        await DeliveryRecipient.collection.updateOne({ _id }, { $set: { resyncFlags: ['other'] } });
      await DeliveryRecipient.collection.updateOne({ _id }, update);
    };
    const first = await open(user, 'd');
    await first.ready();
    await isAcked(about, await send(about, user, 1));
    first.close();
    await makeOdd();
    const second = await send(about, user, 2);
    await look(variant, second);
    await makeOdd();

    const device = await open(user, 'd');
    await comes(`${about}: what waited`, () => device.messages.includes(2) || device.resyncs() > 0);
    await makeOdd();
    const third = await send(about, user, 3);
    await comes(`${about}: what is sent while it is connected`, () => device.messages.includes(3));
    await isAcked(about, third);
    await look(variant, third);
    await makeOdd();
    const other = await open(user, 'other');
    await other.ready();
    await makeOdd();
    for (const n of [4, 5, 6, 7, 8, 9]) await send(about, user, n);
    await comes(`${about}: to two devices`, () => [device, other].every(({ messages }) => messages.includes(9)));
    other.close();
    await makeOdd();
    await call(about, 'DELETE', `/users/${user}/devices/other/messages`);
    await makeOdd();
    await call(about, 'DELETE', `/users/${user}/devices/other`);
    device.close();
    await makeOdd();
  });
  await DeliveryRecipient.collection.insertMany([
    { _id: 'odd', devices: [{ seenAt: new Date(0) }] },
    { _id: new Types.ObjectId(), devices: [{ id: 'd', seenAt: new Date(0) }] },
  ] as never[]);
  const keys = variants.map(({ user }) => keyOfUser(user));
  // What is not known of a time is looked at when the messages are purged.
  const left = () => DeliveryRecipient.countDocuments({ _id: { $in: keys }, 'devices.0': { $exists: true } });
  await clock.advanceUntil(HOUR_MS / 4, async () => (await left()) === 0);
});

test('an odd heartbeat, and an odd idempotency key, stop no user', { timeout: TIMEOUT_MS }, async () => {
  const { DeliveryNode, DeliveryKey } = environment.models;
  const nodes = variantsOf(DeliveryNode as never);
  await eachTogether(nodes, async (variant) => {
    const { user, update } = variant;
    const device = await open(user, 'd');
    await device.ready();
    await DeliveryNode.collection.updateOne({ _id: user as never }, update, { upsert: true });
    const own = { _id: keyOfUser(user) as never };
    await environment.models.DeliveryRecipient.collection.updateOne(own, {
      $push: { 'devices.0.nodes': user },
    } as never);
    await look(variant);
    device.close();
  });
  await eachTogether(variantsOf(DeliveryKey as never), async ({ about, user, update, path }) => {
    const headers = { 'idempotency-key': user };
    const emit = () => gateway.call('POST', `/emit/${user}/m?durable=true`, {}, headers);
    const before = (await emit()).json.data.id;
    const _id = (await DeliveryKey.findOne({ message: before }).lean())?._id;
    await DeliveryKey.collection.updateOne({ _id: _id as never }, update);
    let answer: Awaited<ReturnType<typeof emit>> | undefined;
    const again = emit().then((found) => {
      answer = found;
    });
    // A call without a readable answer has its lease.
    await clock.advanceUntil(1000, () => answer !== undefined);
    await again;
    const { status, json } = answer as never as Awaited<ReturnType<typeof emit>>;
    // Nothing tells that it is the same call.
    expect([about, status]).toEqual([about, path === 'bodyHash' ? 409 : 200]);
    if (path !== 'bodyHash' && path !== 'message') expect([about, json.data.id]).toEqual([about, before]);
  });
});

test('an odd push keeps no other from being sent', { timeout: TIMEOUT_MS }, async () => {
  const { DeliveryPush, FcmToken } = environment.models;
  const notifications = ['no JSON', '{}', 'null', '{"title":7}'].map((notification) => ({
    user: String(new Types.ObjectId()),
    about: `notification: ${notification}`,
    update: { $set: { notification } },
  }));
  for (const { user, about, update } of [...variantsOf(DeliveryPush as never), ...notifications]) {
    const others = `other-${user}`;
    await FcmToken.insertMany(
      [others, user].map((user_id) => ({ account_id: new Types.ObjectId(), user_id, web_token: [user_id] })),
    );
    const emit = async (to: string) =>
      dataOf((await gateway.call('POST', `/emit/${to}/m?push=true&push_after=20000`, {})).json).id as string;
    const id = await emit(user);
    await DeliveryPush.collection.updateOne({ _id: id as never }, update);
    await emit(others);
    await clock.advanceUntil(1000, () => fcm.to(others).length > 0);
    expect([about, fcm.to(others).length]).toEqual([about, 1]);
  }
  await clock.advanceUntil(30_000, async () => (await DeliveryPush.countDocuments({})) === 0);
});

test('an odd document of an earlier version does not keep a gateway from its start', {
  timeout: TIMEOUT_MS,
}, async () => {
  const good = {
    message: '',
    device: null,
    seq: 1,
    namespace: '/v1/shared',
    state: 'queued',
    isPending: true,
    body: '["m",1]',
  };
  const at = new Date();
  const stored = (user: string) => ({
    ...good,
    message: String(new Types.ObjectId()),
    recipient: keyOfUser(user),
    at,
    createdAt: at,
  });
  const entries = environment.connection.collection('delivery.entries');
  const recipients = environment.connection.collection('delivery.recipients');
  const users: string[] = [];
  const fields = Object.keys({ ...stored('x'), loss: 1, expireAt: 1, isResync: 1, keepsReceipt: 1, hasPush: 1 });
  for (const [place, field] of fields.entries()) {
    for (const [, make] of oddValuesFor(field.endsWith('At') ? 'Date' : undefined, place)) {
      const user = String(new Types.ObjectId());
      const before = { ...stored(user), body: '["m",0]' };
      await entries.insertMany([before, { ...stored(user), seq: 2, [field]: make() }, { ...stored(user), seq: 3 }], {
        ignoreUndefined: true,
      });
      users.push(user);
    }
  }
  // It is above the key of each recipient, so a search for the next one finds it each time.
  await entries.insertOne({ ...stored('x'), recipient: ['', '\u{10ffff}'] });
  for (const [place, field] of ['devices', 'cuts', 'seq', '_id'].entries()) {
    for (const [kind, make] of oddValuesFor(undefined, place)) {
      const user = String(new Types.ObjectId());
      const recipient = {
        _id: keyOfUser(user),
        seq: 9,
        devices: [{ id: 'd', seenAt: at }, null, { id: 7 }],
        cuts: [],
        [field]: make(),
      };
      if (field === '_id' && ['missing', 'null', 'array', 'number', 'date'].includes(kind)) continue;
      await recipients.insertOne(recipient as never, { ignoreUndefined: true });
      await entries.insertMany([stored(user)]);
      users.push(user);
    }
  }
  const node = await environment.startNode();
  await eachTogether(users, async (user) => {
    const device = await openApplication(node, { user, deviceId: 'd' });
    await comes(`${user}: what waited`, () => device.messages.includes(1) || device.resyncs() > 0);
    device.close();
  });
});
