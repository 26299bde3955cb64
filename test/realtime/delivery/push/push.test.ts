import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../../support/client.js';
import { answers } from '../../../support/fcm.js';
import { openLines } from '../../../support/lines.js';
import { until } from '../../../support/until.js';
import { openApplication } from '../application.js';
import { createPushEnvironment, type PushEnvironment } from './push-environment.js';

let environment: PushEnvironment;

beforeAll(async () => {
  environment = await createPushEnvironment();
});
afterAll(() => environment.close());

/** Nothing is due and nothing will be, so whatever was to be sent has been. */
const settled = () => environment.settled();

/** Sends a push to one user and waits for it: what was due before has been dealt with by then. */
async function barrier(): Promise<void> {
  const waiting = await environment.waiting();
  const token = `barrier-${new Types.ObjectId()}`;
  await environment.register(token, token);
  await environment.emit(token, {}, '&push_after=0');
  await environment.fcm.has(token, 1);
  await until(async () => (await environment.waiting()) === waiting);
}

test('what no device acknowledges is shown by push, once, whichever of two nodes is faster', async () => {
  const { fcm, clock, emit, stateOf, register } = environment;
  await register('away', 'phone', 'tablet');
  const { id, state } = await emit('away', { title: 'New Lead', message: 'Ann wrote', body: 'not this' });
  expect(state).toBe('queued');
  clock.advance(4999);
  await barrier();
  expect(fcm.to('phone')).toEqual([]);
  clock.advance(1);
  await fcm.has('tablet', 1);
  const shown = { notification: { title: 'New Lead', body: 'Ann wrote' }, webpush: { notification: { tag: id } } };
  expect(fcm.to('phone')).toEqual([{ token: 'phone', data: { id, event: 'm' }, ...shown }]);
  await until(async () => (await stateOf(id)) === 'pushed');
  await settled();
  for (let pass = 0; pass < 30; pass += 1) clock.advance(5000);
  await barrier();
  expect(fcm.to('phone').length).toBe(1);
  expect(fcm.to('tablet').length).toBe(1);

  const late = await openApplication(environment.nodes[1], { user: 'away', deviceId: 'laptop' });
  await late.has(1);
  await until(async () => (await stateOf(id)) === 'acked');
  late.close();
});

test('is part of what happens live, and of the message', async () => {
  const { fcm, clock, emit, register, nodes } = environment;
  const live = await openLines(nodes[0], '/live?kinds=push&user=shown');
  await nodes[0].call('GET', '/nodes');
  await register('shown', 'screen');
  const { id } = await emit('shown', {}, '&push_after=0');
  await fcm.has('screen', 1);
  // Records of the other node come in batches.
  await clock.advanceUntil(10, () => live.records.length > 0);
  expect(live.records).toMatchObject([
    { kind: 'push', userId: 'shown', event: 'm', code: 'sent', sockets: 1, messageId: id },
  ]);
  const messageOf = async () => (await nodes[1].call('GET', `/messages/${id}`)).json.data;
  await until(async () => (await messageOf()).push.state === 'pushed');
  const { push, steps } = await messageOf();
  expect(push).toEqual({ state: 'pushed', dueAt: null, attempts: null, pushedAt: expect.any(String) });
  expect(steps.map(({ what }: { what: string }) => what)).toEqual(['accepted', 'pushed']);
  live.close();
});

test('many that are due at the same time on two nodes are each sent once', async () => {
  const users = Array.from({ length: 60 }, (_, n) => `crowd-${n}`);
  await Promise.all(users.map((user) => environment.register(user, user)));
  await Promise.all(users.map((user, n) => environment.emit(user, { n }, `&push_after=${n % 2 === 0 ? 1000 : 2000}`)));
  environment.clock.advance(2000);
  await settled();
  expect(users.map((user) => environment.fcm.to(user).length)).toEqual(users.map(() => 1));
});

test('an acknowledgement before takes the push back, on whatever node', async () => {
  const { fcm, clock, emit, register, nodes } = environment;
  await register('quick', 'quick-phone');
  await register('slow', 'slow-phone');
  const quick = await openApplication(nodes[1], { user: 'quick', deviceId: 'd' });
  const slow = await openApplication(nodes[1], { user: 'slow', deviceId: 'd', isHeld: true });
  await Promise.all([quick.ready(), slow.ready()]);
  const { id } = await emit('quick', { title: 'x' });
  const held = await emit('slow', { title: 'x' });
  await Promise.all([quick.has(1), slow.has(1)]);
  await until(async () => (await environment.stateOf(id)) === 'acked');
  await until(async () => (await environment.waiting()) === 1);
  clock.advance(5000);
  await fcm.has('slow-phone', 1);
  await until(async () => (await environment.stateOf(held.id)) === 'pushed');
  slow.release();
  await until(async () => (await environment.stateOf(held.id)) === 'acked');
  await barrier();
  expect(fcm.to('quick-phone')).toEqual([]);
  quick.close();
  slow.close();
});

test('one device is enough; the others still get theirs', async () => {
  const { fcm, clock, emit, register, nodes } = environment;
  await register('both', 'both-phone');
  const [reads, sleeps] = [
    await openApplication(nodes[0], { user: 'both', deviceId: 'reads' }),
    await openApplication(nodes[1], { user: 'both', deviceId: 'sleeps', isSilent: true }),
  ];
  await Promise.all([reads.ready(), sleeps.ready()]);
  await emit('both', 1);
  await Promise.all([reads.has(1), sleeps.has(1)]);
  await settled();
  clock.advance(5000);
  await barrier();
  expect(fcm.to('both-phone')).toEqual([]);
  reads.close();
  sleeps.close();
});

test('a message that was over before its push is not shown', async () => {
  const { fcm, clock, emit, register } = environment;
  await register('over', 'over-phone');
  const { id } = await emit('over', {}, '&push_after=60000&ttl=10');
  clock.advance(31_000);
  await until(async () => (await environment.stateOf(id)) === 'expired');
  clock.advance(60_000);
  await settled();
  expect(fcm.to('over-phone')).toEqual([]);
});

test('the documents of a user are found, be the id text or an ObjectId', async () => {
  const { fcm, clock, emit, register } = environment;
  const id = new Types.ObjectId();
  await register(id, 'by-object-id');
  await register(id.toHexString(), 'by-text', 'by-object-id');
  await register(`${id}0`, 'of-another');
  await emit(id.toHexString(), { title: 'x' }, '&push_after=0');
  await Promise.all([fcm.has('by-object-id', 1), fcm.has('by-text', 1)]);
  clock.advance(5000);
  await settled();
  expect([fcm.to('by-object-id').length, fcm.to('of-another').length]).toEqual([1, 0]);
});

test('data-only pushes have no text, and long texts are truncated to the limit of FCM', async () => {
  const { fcm, emit, register } = environment;
  await register('texts', 'texts-phone');
  for (const [n, payload] of [
    7,
    { n: 1, title: 5 },
    null,
    { body: 'ä'.repeat(3000), title: `a${'😀'.repeat(500)}` },
  ].entries()) {
    await emit('texts', payload, '&push_after=0');
    await fcm.has('texts-phone', n + 1);
  }
  const shown = fcm.to('texts-phone').map(({ notification }) => notification);
  expect(shown.slice(0, 3)).toEqual([undefined, undefined, undefined]);
  expect(shown[3]).toEqual({ title: `a${'😀'.repeat(63)}`, body: 'ä'.repeat(1024) });
});

test('everything that is pushed fits into what FCM takes, and no character is torn', async () => {
  const { fcm, nodes, register, models, emit } = environment;
  const FAMILY = '👨‍👩‍👧‍👦';
  const account = new Types.ObjectId();
  const people = [`${FAMILY}`.repeat(400), 'Bob'].map((name) => ({ _id: new Types.ObjectId(), account, name }));
  await models.User.insertMany(people);
  const [ann = '', bob = ''] = people.map(({ _id }) => _id.toHexString());
  await register(bob, 'bob-phone');

  const event = encodeURIComponent('😀'.repeat(64));
  const payload = { title: `\ud800${'漢'.repeat(6000)}`, body: FAMILY.repeat(6000) };
  await nodes[0].call('POST', `/emit/${bob}/${event}?push=true&push_after=0`, payload);
  await fcm.has('bob-phone', 1);
  await emit(bob, { title: 'x', body: '\u0001"'.repeat(6000) }, '&push_after=0');
  await fcm.has('bob-phone', 2);

  const claims = { uid: ann, account_id: account.toHexString() };
  const teams = await connect(nodes[0], { namespace: '/v1/conversation', claims });
  const { data } = await teams.ask('add_conversation', { users: [bob], channel_id: 'general' });
  await teams.ask('message', { conversation_id: data.conversation._id, data: `${'x'.repeat(199)}${FAMILY}` });
  await fcm.has('bob-phone', 3);

  const chats = await connect(nodes[0], { namespace: '/', claims });
  const groupName = `${FAMILY}漢`.repeat(600);
  const chat = await models.Chat.create({ participants: [ann, bob], type: 'group', groupName });
  await chats.ask('chat:send_message', { chatId: String(chat._id), content: `${'x'.repeat(195)}${FAMILY}` });
  await fcm.has('bob-phone', 4);

  for (const { token: _token, ...message } of fcm.to('bob-phone')) {
    const text = JSON.stringify(message);
    expect(Buffer.byteLength(text)).toBeLessThan(4096);
    expect(text).not.toMatch(/\p{Surrogate}|\\ud[89a-f]/iu);
    for (const shown of Object.values(message.notification ?? {})) expect(shown).not.toMatch(/\u200d$/u);
  }
  const [durable, , team, community] = fcm.to('bob-phone').map(({ notification }) => notification);
  expect(durable?.title).toMatch(/^\ufffd漢+$/u);
  expect(team).toEqual({ title: expect.stringMatching(/👦$/u), body: 'x'.repeat(199) });
  expect(community).toEqual({ title: expect.stringMatching(/漢$|👦$/u), body: 'x'.repeat(195) });
  const [stored] = await models.Notification.find({ relatedChat: chat._id }).lean();
  expect(stored?.message).toBe('x'.repeat(195));
  teams.close();
  chats.close();
  await settled();
});

describe('when FCM refuses', () => {
  test('tokens that it does not know are removed, and only they', async () => {
    const { fcm, emit, register, tokensOf } = environment;
    const user = new Types.ObjectId();
    await register(user, 'gone', 'good', 'malformed', 'burdened');
    await register(user.toHexString(), 'gone');
    fcm.answer('gone', answers.unregistered);
    fcm.answer('malformed', answers.invalidToken);
    fcm.answer('burdened', answers.invalidMessage);
    const { id } = await emit(user.toHexString(), { title: 'x' }, '&push_after=0');
    await settled();
    expect(await tokensOf(user)).toEqual(['good', 'burdened']);
    expect(await tokensOf(user.toHexString())).toEqual([]);
    expect(await environment.stateOf(id)).toBe('pushed');
    expect(await environment.counted('unregistered')).toBe(2);
    expect(await environment.counted('failed')).toBe(1);
  });

  test('what fails for now is tried again later, for the tokens that are left', async () => {
    const { fcm, clock, emit, register } = environment;
    await register('busy', 'fine', 'limited', 'down', 'behind-proxy');
    fcm.answer('limited', answers.quota, answers.quota);
    fcm.answer('down', answers.unavailable);
    fcm.answer('behind-proxy', answers.badGateway);
    await emit('busy', { title: 'x' }, '&push_after=0');
    const counts = () => ['fine', 'limited', 'down', 'behind-proxy'].map((token) => fcm.to(token).length);
    const waitsFor = (tokens: number) =>
      until(
        async () =>
          (await environment.models.DeliveryPush.findOne({ lease: { $exists: false } }).lean())?.tokens?.length ===
          tokens,
      );
    await waitsFor(3);
    clock.advance(9_999);
    await barrier();
    expect(counts()).toEqual([1, 1, 1, 1]);
    clock.advance(2_001);
    await waitsFor(1);
    expect(counts()).toEqual([1, 2, 2, 2]);
    clock.advance(24_000);
    await settled();
    expect(counts()).toEqual([1, 3, 2, 2]);
  });

  test.each([
    ['seconds', () => '90'],
    ['a point in time', () => new Date(environment.clock.now() + 90_000).toUTCString()],
  ])('it is left alone for as long as it asks, in %s', async (form, retryAfter) => {
    const { fcm, clock, emit, register } = environment;
    const token = `patient-${form}`;
    await register(token, token);
    fcm.answer(token, { ...answers.quota, headers: { 'retry-after': retryAfter() } });
    await emit(encodeURIComponent(token), { title: 'x' }, '&push_after=0');
    await until(
      async () =>
        (await environment.models.DeliveryPush.findOne({ lease: { $exists: false } }).lean())?.tokens?.length === 1,
    );
    clock.advance(88_000);
    await barrier();
    expect(fcm.to(token).length).toBe(1);
    clock.advance(2_000);
    await settled();
    expect(fcm.to(token).length).toBe(2);
  });

  test('after five failures it is given up', async () => {
    const { fcm, clock, emit, register } = environment;
    await register('hopeless', 'hopeless');
    fcm.answer('hopeless', ...Array.from({ length: 9 }, () => answers.unavailable));
    const { id } = await emit('hopeless', { title: 'x' }, '&push_after=0');
    for (let attempt = 1; attempt < 5; attempt += 1) {
      await until(
        async () =>
          (await environment.models.DeliveryPush.findOne({ attempts: attempt, lease: { $exists: false } })) !== null,
      );
      clock.advance(12_000 * 2 ** (attempt - 1));
    }
    await settled();
    expect(fcm.to('hopeless').length).toBe(5);
    expect(await environment.counted('given up')).toBe(1);
    expect(await environment.stateOf(id)).toBe('queued');
  });
});

test('a node that dies while it pushes leaves the push to another, which takes the place of the first', async () => {
  const { fcm, clock, emit, register, models } = environment;
  await register('orphan', 'orphan');
  const release = fcm.hold();
  const { id } = await emit('orphan', { title: 'x' }, '&push_after=0');
  await fcm.has('orphan', 1);
  // Alive, it keeps what it has.
  for (let pass = 0; pass < 30; pass += 1) {
    clock.advance(5000);
    await environment.waiting();
  }
  expect(fcm.to('orphan').length).toBe(1);
  release();
  await settled();

  // As a node leaves it that ended in between.
  const dead = { lease: 'of-a-dead-node', attempts: 1, dueAt: new Date(clock.now() + 60_000) };
  const notification = JSON.stringify({ title: 'x', body: '', data: { id, event: 'm' } });
  const times = { createdAt: new Date(clock.now()), purgeAt: new Date(clock.now() + 86_400_000) };
  await models.DeliveryPush.insertMany([
    { _id: id, userIds: ['orphan'], notification, isFallback: true, ...times, ...dead },
  ]);
  // A holder is first given time to answer.
  clock.advance(65_000);
  await clock.advanceUntil(5000, async () => (await environment.waiting()) === 0);
  expect(fcm.to('orphan').map(({ webpush }) => webpush?.notification.tag)).toEqual([id, id]);
});

test('options that need another are refused without it', async () => {
  const ask = async (query: string) => (await environment.nodes[0].call('POST', `/emit/u/m?${query}`, {})).json;
  expect((await ask('push=true&durable=false')).details).toEqual([{ path: 'push', message: 'needs durable=true' }]);
  expect((await ask('durable=true&push_after=5')).details).toEqual([
    { path: 'push_after', message: 'needs push=true' },
  ]);
  for (const query of [
    'push=yes',
    'push=true&push_after=-1',
    'push=true&push_after=x',
    'push=true&push_after=604800001',
  ]) {
    expect(await ask(query), query).toMatchObject({ errno: 400, message: 'VALIDATION_ERROR' });
  }
  const item = { userId: 'batched', event: 'm', payload: { title: 'x' } };
  await environment.register('batched', 'batched');
  const items = [
    { ...item, push: true, push_after: 0 },
    { ...item, push_after: 5 },
    { ...item, push: false },
  ];
  const { json } = await environment.nodes[0].call('POST', '/emit', { items });
  expect(json.data.items.map(({ message }: { message: string }) => message)).toEqual([
    'SUCCESS',
    'VALIDATION_ERROR',
    'SUCCESS',
  ]);
  await settled();
  expect(environment.fcm.to('batched').length).toBe(1);
});
