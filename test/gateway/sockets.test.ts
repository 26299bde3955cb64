import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Models } from '../../shared/models/index.js';
import { connect, refusal } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { signToken, startGateway, type TestGateway } from '../support/gateway.js';
import { until } from '../support/until.js';

const ACCOUNT = '64abc123def0000000000001';
let environment: TestEnvironment;
let gateway: TestGateway;
let models: Models;

beforeAll(async () => {
  environment = await createTestEnvironment({ env: { PRESENCE_GRACE_MS: '0' } });
  gateway = environment.node(0);
  models = environment.models;
});
afterAll(() => environment.close());

const done = { success: true, message: 'SUCCESS' };
const refused = (errno: number, message: string) => ({ success: false, message, additional_info: { errno } });

test.each(['/v1/shared', '/v1/conversation', '/v1/conversation/live'])(
  'join on %s writes the socket, once',
  async (namespace) => {
    const user = `join ${namespace}`;
    const [first, second] = await Promise.all([1, 2].map(() => connect(gateway, { namespace, claims: { uid: user } })));
    expect(await first?.ask('join', {})).toEqual(done);
    expect(await first?.ask('join')).toEqual(done);
    expect(await second?.ask('join', {})).toEqual(done);
    const stored = await models.Socket.findOne({ user }).lean();
    expect(stored?.socket_ids.toSorted()).toEqual([first?.id, second?.id].toSorted());
    expect(stored).toMatchObject({ createdAt: expect.any(Date), updatedAt: expect.any(Date) });
    first?.close();
    await until(async () => (await models.Socket.findOne({ user }).lean())?.socket_ids.length === 1);
    expect((await models.Socket.findOne({ user }).lean())?.socket_ids).toEqual([second?.id]);
    second?.close();
  },
);

test('a node that starts alone removes the presence of a crashed node', async () => {
  await models.Socket.create({ user: 'ghost', socket_ids: ['left-by-a-crash'] });
  const other = await createTestEnvironment({ nodes: 0 });
  const { Socket } = other.models;
  await Socket.create({ user: 'ghost', socket_ids: ['left-by-a-crash'] });
  await other.startNode();
  expect((await Socket.findOne({ user: 'ghost' }).lean())?.socket_ids).toEqual([]);
  await other.close();
});

test('a failure without an acknowledgement is sent as event_error', async () => {
  const client = await connect(gateway);
  client.socket.emit('nothing of ours', {});
  expect(await client.next('event_error')).toEqual([{ ...refused(404, 'NOT_FOUND'), event: 'nothing of ours' }]);
  client.socket.emit('refresh_token', { token: 7 });
  const [error] = await client.next('event_error');
  expect(error).toMatchObject({ event: 'refresh_token', message: 'VALIDATION_ERROR', additional_info: { errno: 400 } });
  expect(error.additional_info.details).toEqual([{ path: 'token', message: expect.any(String) }]);
  client.close();
});

test('/ is for users of the chats, and an unknown namespace does not exist', async () => {
  expect(await refusal(gateway, { namespace: '/' })).toMatchObject({
    message: 'Invalid token or user access denied',
    data: { errno: 401, message: 'INVALID_TOKEN' },
  });
  expect(await refusal(gateway, { namespace: '/v1/none' })).toMatchObject({
    message: 'NOT_FOUND',
    data: { errno: 404, message: 'NOT_FOUND' },
  });
});

test('a connection needs the scope of its namespace', async () => {
  const error = await refusal(gateway, { claims: { scope: 'contacts calendar' } });
  expect(error).toMatchObject({ message: 'NOT_ENOUGH_SCOPE', data: { errno: 403, message: 'NOT_ENOUGH_SCOPE' } });
  const client = await connect(gateway, { claims: { scope: 'contacts conversation' } });
  client.close();
});

test('tokens are taken from their sources in order', async () => {
  const [query, header, bearer, auth] = ['query', 'header', 'bearer', 'auth'].map((uid) => signToken({ uid })) as [
    string,
    string,
    string,
    string,
  ];
  await models.ApiSession.create({ _id: 'session-1', access_token: signToken({ uid: 'session' }) });
  const everything = {
    claims: null,
    auth: { session_id: 'session-1', token: auth } as Record<string, string>,
    query: { token: query },
    extraHeaders: { 'x-token': header, authorization: `Bearer ${bearer}` },
  };
  const expectUser = async (options: object, userId: string): Promise<void> => {
    const client = await connect(gateway, options);
    await gateway.call('POST', `/emit/${userId}/who`, {});
    expect(await client.next('who')).toEqual([{}]);
    client.close();
  };
  await expectUser(everything, 'session');
  await expectUser({ ...everything, auth: { token: auth } }, 'auth');
  await expectUser({ ...everything, auth: {} }, 'query');
  await expectUser({ ...everything, auth: {}, query: {} }, 'header');
  await expectUser({ claims: null, extraHeaders: { authorization: `Bearer ${bearer}` } }, 'bearer');
  const expired = {
    _id: 'session-2',
    access_token: signToken({ uid: 'late' }),
    expires_at: new Date(Date.now() - 1000),
  };
  await models.ApiSession.create(expired);
  for (const session_id of ['session-2', 'unknown', { $ne: null }]) {
    expect((await refusal(gateway, { claims: null, auth: { session_id } })).message).toBe('INVALID_TOKEN');
  }
});

test('a credential in the data must be of the same user', async () => {
  const client = await connect(gateway);
  expect(await client.ask('join', { token: signToken() })).toEqual(done);
  expect(await client.ask('join', { token: signToken({ uid: 'another-user' }) })).toEqual(
    refused(401, 'INVALID_TOKEN'),
  );
  expect(await client.ask('join', { token: signToken({ account_id: 'another' }) })).toEqual(
    refused(401, 'INVALID_TOKEN'),
  );
  expect(await client.ask('join', { token: 'garbage' })).toEqual(refused(401, 'INVALID_TOKEN'));
  expect(await client.ask('join', { session_id: 'unknown' })).toEqual(refused(401, 'INVALID_TOKEN'));
  client.close();
});

test('active_status goes to the account, on both conversation namespaces, and is stored', async () => {
  const user = await models.User.create({ name: 'Ann', account: new Types.ObjectId(ACCOUNT) });
  const claims = { uid: user.id, account_id: ACCOUNT };
  const [ann, colleague, live, stranger] = await Promise.all([
    connect(gateway, { namespace: '/v1/conversation', claims }),
    connect(gateway, { namespace: '/v1/conversation', claims: { uid: 'colleague', account_id: ACCOUNT } }),
    connect(gateway, { namespace: '/v1/conversation/live', claims: { uid: 'colleague', account_id: ACCOUNT } }),
    connect(gateway, { namespace: '/v1/conversation', claims: { uid: 'stranger', account_id: 'another' } }),
  ]);
  const status = (value: string) => [{ userID: user.id, conversation_active_status: value }];
  expect(await ann.ask('join')).toEqual(done);
  expect(await colleague.next('active_status')).toEqual(status('active'));
  expect(await live.next('active_status')).toEqual(status('active'));
  expect(await ann.ask('active_status', { status: 'away' })).toEqual(done);
  expect(await colleague.next('active_status')).toEqual(status('away'));
  expect((await models.User.findById(user.id).lean())?.conversation_active_status).toBe('away');
  expect(await ann.ask('active_status', { status: 'asleep' })).toMatchObject({ message: 'VALIDATION_ERROR' });
  await ann.ask('active_status', { status: 'active' });
  expect(await colleague.next('active_status')).toEqual(status('active'));
  ann.close();
  expect(await colleague.next('active_status')).toEqual(status('away'));
  await stranger.ask('active_status', { status: 'active' });
  expect(stranger.received('active_status')).toEqual([]);
  expect(ann.received('active_status')).toEqual([]);
  for (const client of [colleague, live, stranger]) client.close();
});

test('a client is warned before its token expires, can renew it, and is disconnected on expiry', async () => {
  const clock = createTestClock();
  const timed = await startGateway({}, { clock });
  const exp = Math.floor(clock.now() / 1000) + 300;
  const [renewing, ending] = await Promise.all([1, 2].map(() => connect(timed, { claims: { exp } })));
  if (renewing === undefined || ending === undefined) throw new Error('two clients were asked for');
  clock.advance(239_000);
  await renewing.ask('join');
  expect(renewing.received('auth_expiring')).toEqual([]);
  clock.advance(2000);
  for (const client of [renewing, ending])
    expect(await client.next('auth_expiring')).toEqual([{ expires_in: expect.any(Number) }]);

  const other = signToken({ uid: 'another-user', exp: exp + 600 });
  expect(await renewing.ask('refresh_token', { token: other })).toEqual(refused(401, 'INVALID_TOKEN'));
  expect(await renewing.ask('refresh_token', { token: signToken({ exp: exp + 600 }) })).toEqual(done);
  // For five seconds more: clocks of issuers may be off.
  clock.advance(61_000);
  expect(await ending.ask('join')).toEqual(done);
  expect((await connect(timed, { claims: { exp } })).socket.connected).toBe(true);
  clock.advance(3000);
  expect(await ending.next('auth_expired')).toEqual([{}]);
  expect(await ending.closed).toBe('io server disconnect');
  expect(await renewing.ask('join')).toEqual(done);
  clock.advance(557_000);
  expect(await renewing.next('auth_expiring')).toEqual([{ expires_in: expect.any(Number) }]);
  clock.advance(44_000);
  expect(await renewing.closed).toBe('io server disconnect');
  expect((await refusal(timed, { claims: { exp } })).message).toBe('INVALID_TOKEN');
  await timed.close();
});

test('events over the limit of a user are refused on all sockets of that user', async () => {
  const limited = await startGateway({ EVENT_LIMIT: '5', EVENT_LIMIT_WINDOW_MS: '60000' });
  const [first, second] = await Promise.all([1, 2].map(() => connect(limited)));
  for (let index = 0; index < 5; index += 1) expect(await first?.ask('join')).toEqual(done);
  const answer = await second?.ask('join');
  expect(answer).toMatchObject(refused(429, 'RATE_LIMITED'));
  expect(answer.additional_info.retryAfterMs).toBeGreaterThan(0);
  const other = await connect(limited, { claims: { uid: 'another' } });
  expect(await other.ask('join')).toEqual(done);
  for (const client of [first, second, other]) client?.close();
  await limited.close();
});
