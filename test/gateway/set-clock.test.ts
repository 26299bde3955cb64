import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { say, talk } from '../integrations/chat/community/community.js';
import { connect, openSocket, refusal } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { answers, startFcm, type TestFcm } from '../support/fcm.js';
import type { TestGateway } from '../support/gateway.js';
import { openLine, upgradeRequest } from '../support/line.js';
import { nameOf } from '../support/mongo-proxy.js';
import { until } from '../support/until.js';

/* The date of the machine is set back by a day while the gateway runs. Its limits of time end as if it had not been. */

const DAY_MS = 86_400_000;
/** Longer than any limit of this file. */
const LONG_MS = 60_000;
const clock = createTestClock();
const steadyClock = createTestClock();
let environment: TestEnvironment;
let fcm: TestFcm;
let gateway: TestGateway;

beforeAll(async () => {
  fcm = await startFcm();
  environment = await createTestEnvironment({
    nodes: 1,
    env: { CONNECT_TIMEOUT_MS: '30000', REFUSED_CONNECTS_MAX: '3', ...fcm.env },
    overrides: { clock, steadyClock, pushAgent: fcm.agent },
    proxyOptions: 'directConnection=true',
  });
  environment.defer(() => fcm.close());
  [gateway] = environment.nodes as [TestGateway];
});
afterAll(() => environment.close());

test('a connection that enters no namespace is closed', async () => {
  const line = await openLine(gateway);
  await line.ask(upgradeRequest(''), /"sid":/);
  clock.advance(-DAY_MS);
  steadyClock.advance(LONG_MS);
  await line.closed;
});

test('an address that was refused too often may connect again', async () => {
  for (let i = 0; i < 3; i += 1) {
    expect((await refusal(gateway, { auth: { token: 'no token' } })).message).toBe('INVALID_TOKEN');
  }
  expect((await refusal(gateway)).message).toBe('RATE_LIMITED');
  clock.advance(-DAY_MS);
  steadyClock.advance(LONG_MS);
  (await connect(gateway)).close();
});

test('a user who is not locked any more may connect again', async () => {
  const [ann] = await environment.people('Ann');
  await environment.models.User.updateOne({ _id: ann.id }, { isActive: false });
  const locked = openSocket(gateway, { claims: { uid: ann.id } });
  await until(() => locked.disconnected && locked.id === undefined && !locked.active);
  await environment.models.User.updateOne({ _id: ann.id }, { isActive: true });
  expect((await refusal(gateway, { claims: { uid: ann.id } })).message).toBe('FORBIDDEN');
  clock.advance(-DAY_MS);
  steadyClock.advance(LONG_MS);
  (await connect(gateway, { claims: { uid: ann.id } })).close();
});

test('FCM is left alone for as long as it asks', async () => {
  const { models } = environment;
  const waitingPush = () => models.DeliveryPush.findOne({ lease: { $exists: false }, attempts: 1 }).lean();
  const fail = async (token: string, answer: (typeof answers)['quota'] & { headers?: Record<string, string> }) => {
    await models.FcmToken.create({ account_id: new Types.ObjectId(), user_id: token, web_token: [token] });
    fcm.answer(token, answer);
    await gateway.call('POST', `/emit/${token}/m?push=true&push_after=0`, JSON.stringify({ title: 'x' }));
    await until(async () => (await waitingPush()) !== null);
    const dueAt = (await waitingPush())?.dueAt?.getTime() ?? Number.NaN;
    await models.DeliveryPush.deleteMany({});
    return dueAt - clock.now();
  };
  expect(await fail('patient', { ...answers.quota, headers: { 'retry-after': '90' } })).toBe(90_000);
  clock.advance(-DAY_MS);
  steadyClock.advance(2 * LONG_MS);
  expect(await fail('usual', answers.quota)).toBeLessThan(LONG_MS);
});

test('a conversation that has changed is remembered again after a while', async () => {
  const { models } = environment;
  const { ann, a, chatId } = await talk(environment);
  /** The commands that store a message. */
  const insertsOf = async (content: string): Promise<string[]> => {
    const { length } = environment.proxy().commands;
    await say(a, chatId, content);
    const names = environment.proxy().commands.slice(length).map(nameOf);
    return names.filter((name) => name === 'bulkWrite' || name === 'insert');
  };
  await insertsOf('1');
  expect(await insertsOf('2')).toEqual(['bulkWrite']);
  await models.User.updateOne({ _id: ann.id }, { firstName: 'Anna' });
  expect(await insertsOf('3')).toContain('insert');
  clock.advance(-DAY_MS);
  steadyClock.advance(LONG_MS);
  await insertsOf('4');
  expect(await insertsOf('5')).toEqual(['bulkWrite']);
});

test('the position of a message is stored when its conversation is quiet', async () => {
  const { models } = environment;
  const { a, chatId } = await talk(environment);
  for (const content of ['1', '2']) await say(a, chatId, content);
  clock.advance(-DAY_MS);
  steadyClock.advance(LONG_MS);
  await until(async () => (await models.Chat.findById(chatId).lean())?.lastPosition === 2);
});
