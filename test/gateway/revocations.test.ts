import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type PublishedNamespace, publishedNamespaces } from '#shared/contracts/index.js';
import { connect, refusal, type TestClient } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, type TestEnvironment, type TestUser } from '../support/environment.js';
import { signToken, startGateway } from '../support/gateway.js';
import { until } from '../support/until.js';

/** Every namespace that asks for a token, as the contracts say. */
const namespaces = Object.entries<PublishedNamespace>(publishedNamespaces).flatMap(([name, { scopes }]) =>
  scopes === undefined ? [] : name,
);

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});

afterAll(async () => {
  await environment?.close();
});

/** A user who may enter every namespace. */
async function makeMember(): Promise<TestUser & { query: Record<string, string> }> {
  const [user] = await environment.people('Ada');
  const { _id } = await environment.models.Department.create({ name: 'Sales', members: [new Types.ObjectId(user.id)] });
  return { ...user, query: { departmentId: String(_id) } };
}

type Member = Awaited<ReturnType<typeof makeMember>>;

const nodeOf = (index: number) => {
  const node = environment.nodes[index];
  if (node === undefined) throw new Error(`no node ${index}`);
  return node;
};

/** Connects to every namespace on each node. */
const openAll = (user: Member, claims: Record<string, unknown> = {}): Promise<TestClient[]> =>
  Promise.all(
    namespaces.flatMap((namespace) =>
      [0, 1].map((node) =>
        environment.open(user, {
          namespace,
          node,
          query: user.query,
          claims: { uid: user.id, account_id: user.accountId, ...claims },
        }),
      ),
    ),
  );

/** The refusal of each namespace on each node. */
const refusals = (user: Member, claims: Record<string, unknown> = {}) =>
  Promise.all(
    namespaces.flatMap((namespace) =>
      [0, 1].map((node) =>
        refusal(nodeOf(node), { namespace, query: user.query, claims: { uid: user.id, ...claims } }),
      ),
    ),
  );

const secondsAgo = (seconds: number): number => Math.floor(Date.now() / 1000) - seconds;

test('the contracts know the namespaces of both chats and of the platform', () => {
  expect(namespaces).toEqual(expect.arrayContaining(['/', '/department', '/v1/shared']));
});

test('disconnect ends the sockets of a user on every namespace and node, with the reason', async () => {
  const [user, other] = [await makeMember(), await makeMember()];
  const [clients, bystanders] = [await openAll(user), await openAll(other)];
  const answer = await nodeOf(0).call('POST', `/users/${user.id}/disconnect`, { reason: 'signed out' });
  expect(answer.status).toBe(200);
  for (const client of clients) {
    expect(await client.next('disconnected')).toEqual([{ reason: 'signed out' }]);
    expect(await client.closed).toBe('io server disconnect');
  }
  for (const { socket } of bystanders) expect(socket.connected).toBe(true);
  // Without a block the user may return at once.
  const back = await openAll(user);
  for (const client of [...back, ...bystanders]) client.close();
});

test('disconnect with block_seconds keeps the user out of every namespace and node', async () => {
  const user = await makeMember();
  const clients = await openAll(user);
  await nodeOf(1).call('POST', `/users/${user.id.toUpperCase()}/disconnect`, { block_seconds: 60 });
  await Promise.all(clients.map(({ closed }) => closed));
  for (const { data } of await refusals(user)) {
    expect(data).toEqual({ errno: 403, message: 'FORBIDDEN', retry_after: expect.any(Number) });
    const { retry_after: seconds } = data as { retry_after: number };
    expect(seconds).toBeGreaterThan(50);
    expect(seconds).toBeLessThanOrEqual(60);
  }
  const headers = { authorization: `Bearer ${signToken({ uid: user.id })}` };
  expect((await fetch(`${nodeOf(0).url}/api/chats`, { headers })).status).toBe(403);
});

test('a block expires', async () => {
  const user = await makeMember();
  await nodeOf(0).call('POST', `/users/${user.id}/disconnect`, { block_seconds: 1 });
  const { data } = await refusal(nodeOf(0), { claims: { uid: user.id } });
  expect(data).toEqual({ errno: 403, message: 'FORBIDDEN', retry_after: 1 });
  await until(() =>
    connect(nodeOf(0), { claims: { uid: user.id } }).then(
      (client) => {
        client.close();
        return true;
      },
      () => false,
    ),
  );
});

test.each([0, -1, 2_592_001, 1.5, 'soon'])('refuses block_seconds %s', async (seconds) => {
  const answer = await nodeOf(0).call('POST', '/users/unknown-user/disconnect', { block_seconds: seconds });
  expect(answer.json).toMatchObject({ errno: 400, details: [{ path: 'block_seconds' }] });
});

test('a revoked token is closed and refused on every namespace and node; another one is not', async () => {
  const user = await makeMember();
  const [revoked, kept] = [{ jti: 'https://issuer/1' }, { jti: 'https://issuer/2' }];
  const [clients, others] = [await openAll(user, revoked), await openAll(user, kept)];
  const answer = await nodeOf(0).call('POST', '/tokens/revoke', revoked);
  expect(answer.json).toEqual({ success: true, message: 'SUCCESS' });
  for (const client of clients) {
    expect(await client.next('disconnected')).toEqual([{ reason: 'revoked' }]);
    await client.closed;
  }
  for (const { data } of await refusals(user, revoked)) {
    expect(data).toEqual({ errno: 401, message: 'INVALID_TOKEN' });
  }
  for (const { socket } of others) expect(socket.connected).toBe(true);
  const [client] = others;
  expect(await client?.ask('refresh_token', { token: signToken({ uid: user.id, ...revoked }) })).toMatchObject({
    success: false,
  });
  for (const other of others) other.close();
});

test('all tokens of a user issued before a time are closed and refused', async () => {
  const user = await makeMember();
  const [old, young] = [{ iat: secondsAgo(60) }, { iat: secondsAgo(10) }];
  const [clients, others] = [await openAll(user, old), await openAll(user, young)];
  const before = new Date(secondsAgo(30) * 1000).toISOString();
  await nodeOf(1).call('POST', '/tokens/revoke', { userId: user.id, issued_before: before });
  await Promise.all(clients.map(({ closed }) => closed));
  for (const { message } of await refusals(user, old)) {
    expect(['INVALID_TOKEN', 'Authentication failed']).toContain(message);
  }
  for (const { socket } of others) expect(socket.connected).toBe(true);
  for (const other of others) other.close();
});

test('a token that says it was issued in the future is revoked with the others of its user', async () => {
  const [node, now] = [nodeOf(0), Date.now()];
  // Milliseconds in place of seconds.
  const claims = { uid: 'user-of-the-future', iat: now };
  const client = await connect(node, { claims });
  const slow = await connect(node, { claims: { ...claims, iat: Math.floor(now / 1000) + 30 } });
  const before = new Date(now - 10_000).toISOString();
  await node.call('POST', '/tokens/revoke', { userId: claims.uid, issued_before: before });
  expect(await client.next('disconnected')).toEqual([{ reason: 'revoked' }]);
  expect((await refusal(node, { claims })).message).toBe('INVALID_TOKEN');
  // The clock of an issuer may be a little ahead.
  expect(slow.socket.connected).toBe(true);
  slow.close();
});

test('a token of the very moment of the revocation is refused', async () => {
  const second = Math.floor(Date.now() / 1000);
  const node = await startGateway({}, { clock: createTestClock(second * 1000) });
  onTestFinished(() => node.close());
  const claims = { uid: 'user-1', iat: second };
  await node.call('POST', '/tokens/revoke', { userId: 'user-1' });
  expect((await refusal(node, { claims })).message).toBe('INVALID_TOKEN');
});

test.each([
  [{}, ''],
  [{ jti: 'a', userId: 'b' }, ''],
  [{ jti: 'a', issued_before: '2020-01-01T00:00:00Z' }, 'issued_before'],
  [{ userId: 'b', issued_before: '2999-01-01T00:00:00Z' }, 'issued_before'],
  [{ userId: 'b', issued_before: 'soon' }, 'issued_before'],
  [{ jti: 'a', keep_seconds: 0 }, 'keep_seconds'],
])('refuses to revoke %j', async (body, path) => {
  const answer = await nodeOf(0).call('POST', '/tokens/revoke', body);
  expect(answer.json).toMatchObject({ errno: 400, details: [{ path }] });
});

test('revocations lost on the bus are read from the database', async () => {
  const user = await makeMember();
  const client = await environment.open(user, { node: 1, namespace: '/v1/shared' });
  await environment.models.Revocation.updateOne(
    { _id: `user:${user.id}` },
    { $max: { issuedBefore: new Date(), purgeAt: new Date(Date.now() + 60_000) }, $currentDate: { changedAt: true } },
    { upsert: true },
  );
  expect(await client.closed).toBe('io server disconnect');
});

test('a revocation that was stored by hand holds, and no other one waits for it', async () => {
  const [first, last] = [await makeMember(), await makeMember()];
  const clients = await Promise.all(
    [first, last].map((user) => environment.open(user, { node: 1, namespace: '/v1/shared' })),
  );
  const { collection } = environment.models.Revocation;
  const until = new Date(Date.now() + 60_000);
  const changedAt = new Date();
  await collection.insertMany([
    { _id: 'user:unreadable', blockedUntil: { odd: true }, purgeAt: 'never', changedAt },
    { _id: `user:${first.id}`, blockedUntil: until.toISOString(), blockVersion: '1', changedAt },
    { _id: `user:${last.id}`, blockedUntil: until, purgeAt: until, changedAt },
  ] as never[]);
  for (const client of clients) expect(await client.next('disconnected')).toEqual([{ reason: 'blocked' }]);
  expect((await nodeOf(0).call('GET', `/users/${first.id}`)).json.data.blockedUntil).toBe(until.toISOString());
  // A node that starts reads them all.
  await (await environment.startNode({})).close();
});

test('an odd revocation hides no other, and can be replaced', async () => {
  const { collection } = environment.models.Revocation;
  const [user, other] = [await makeMember(), await makeMember()];
  const purgeAt = new Date('2999-01-01');
  const later = { _id: 'user:odd', changedAt: new Date('2999-01-01'), issuedBefore: new Date(0), purgeAt };
  const version = { _id: `user:${user.id}`, changedAt: new Date(), blockVersion: 'odd', purgeAt };
  await collection.insertMany([later, version] as never[]);
  expect((await nodeOf(0).call('POST', `/users/${user.id}/block`, { seconds: 60 })).status).toBe(200);
  expect((await nodeOf(1).call('DELETE', `/users/${user.id}/block`)).status).toBe(200);
  for (const client of await openAll(user)) client.close();

  const node = await environment.startNode();
  // Nodes find it by reading alone, as when the bus has lost it.
  const clients = await openAll(other);
  const lost = { _id: `user:${other.id}`, changedAt: new Date(), blockedUntil: purgeAt, purgeAt };
  await collection.insertOne(lost as never);
  for (const client of clients) expect(await client.closed).toBe('io server disconnect');
  const claims = { uid: other.id, account_id: other.accountId };
  await until(async () => (await refusal(node, { claims }).catch(() => undefined)) !== undefined);
});
