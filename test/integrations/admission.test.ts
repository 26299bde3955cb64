import { mongo, Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type PublishedNamespace, publishedNamespaces } from '#shared/contracts/index.js';
import { refusal } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { accessesOf } from './query-plans.js';

/** Every namespace that asks for a token, as the contracts say. */
const tokenNamespaces = Object.entries<PublishedNamespace>(publishedNamespaces).flatMap(([name, { scopes }]) =>
  scopes === undefined ? [] : name,
);
const namespaces = tokenNamespaces.filter((name) => name.startsWith('/v1/'));

const clock = createTestClock();

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock } });
});

afterAll(async () => {
  await environment?.close();
});

test.each([{ status: 'blocked' }, { isActive: false }, { blockedUntil: new Date(Date.now() + 3_600_000) }])(
  'a user with %j does not stay on any namespace',
  async (fields) => {
    const [user] = await environment.people('Ada');
    await environment.models.User.updateOne({ _id: user.id }, fields);
    for (const namespace of namespaces) {
      const error = await environment.open(user, { namespace, node: 1 }).then(
        ({ closed }) => closed,
        ({ message }: Error) => message,
      );
      expect(['io server disconnect', 'FORBIDDEN']).toContain(error);
    }
    const node = environment.nodes[1];
    if (node === undefined) throw new Error('no node');
    const claims = { uid: user.id };
    expect((await refusal(node, { namespace: '/v1/shared', claims })).message).toBe('FORBIDDEN');
  },
);

test('a locked user is disconnected from every namespace and node within a second, and an unknown user stays', async () => {
  const [user, other] = await environment.people('Ada', 'Bob');
  const stranger = { ...other, id: 'f'.repeat(24) };
  const s = await environment.open(stranger, { namespace: '/v1/shared' });
  const b = await environment.open(other, { namespace: '/v1/shared' });
  const { _id } = await environment.models.Department.create({ name: 'Sales', members: [user.id] });
  const everywhere = tokenNamespaces.flatMap((namespace) => [0, 1].map((node) => ({ namespace, node })));
  const query = { departmentId: String(_id) };
  const locks = [
    { status: 'Suspended' },
    { isActive: 'false' },
    { blockedUntil: clock.now() + 60_000 },
    { isActive: '0' },
    { isActive: 'no' },
    { isActive: mongo.Decimal128.fromString('0') },
    { status: ' Blocked ' },
    // For ever, as some services write it.
    { blockedUntil: new Date(8.64e15) },
    { blockedUntil: Number.POSITIVE_INFINITY },
  ];
  for (const fields of locks) {
    const unlocked = { status: '', isActive: '', blockedUntil: '' };
    await environment.models.User.collection.updateOne({ _id: new Types.ObjectId(user.id) }, { $unset: unlocked });
    clock.advance(6000);
    const clients = await Promise.all(everywhere.map((where) => environment.open(user, { ...where, query })));
    // As another service stores it, which may use other types.
    await environment.models.User.collection.updateOne({ _id: new Types.ObjectId(user.id) }, { $set: fields });
    clock.advance(1000);
    for (const client of clients) {
      expect(await client.next('disconnected')).toEqual([{ reason: 'blocked' }]);
      expect(await client.closed).toBe('io server disconnect');
    }
    for (const [node, gateway] of environment.nodes.entries()) {
      const refused = await refusal(gateway, { namespace: '/v1/shared', claims: { uid: user.id.toUpperCase() } });
      expect([node, refused.message]).toEqual([node, 'FORBIDDEN']);
    }
  }
  expect((await s.ask('join')).success).toBe(true);
  expect((await b.ask('join')).success).toBe(true);
});

describe('while the search for users who may be locked', () => {
  const isSearch = (filter: unknown): boolean => (filter as { $or?: unknown[] }).$or?.length === 4;
  const isFound = async (): Promise<void> => {
    const [user, other] = await environment.people('Cid', 'Dan');
    const client = await environment.open(user, { namespace: '/v1/shared' });
    const stays = await environment.open(other, { namespace: '/v1/shared', node: 1 });
    await environment.models.User.collection.updateOne({ _id: new Types.ObjectId(user.id) }, { $set: { isActive: 0 } });
    await clock.advanceUntil(1000, () => client.received('disconnected').length > 0);
    expect(await client.next('disconnected')).toEqual([{ reason: 'blocked' }]);
    expect((await stays.ask('join')).success).toBe(true);
    client.close();
    stays.close();
  };

  test('finds few, a locked user is disconnected, and no other user is read', async () => {
    await isFound();
    await environment.people(...Array.from({ length: 50 }, (_, n) => `User ${n}`));
    const accesses = await accessesOf(environment.models.User.db, async () => {
      clock.advance(750);
      await environment.models.User.findOne({ name: 'Cid' });
    });
    const searches = accesses.filter(({ filter }) => isSearch(filter));
    expect(searches.length).toBeGreaterThanOrEqual(1);
    const [users] = [await environment.models.User.countDocuments()];
    for (const { documentsExamined, indexes } of searches) {
      expect(documentsExamined).toBeLessThan(users / 10);
      expect(indexes).toEqual(expect.arrayContaining(['isActive_1', 'status_1', 'blockedUntil_1']));
    }
  });

  test.each([
    { what: 'lacks an index', replace: undefined },
    { what: 'has a hidden index', replace: { hidden: true } },
    { what: 'has a partial index', replace: { partialFilterExpression: { isActive: true } } },
    { what: 'has an index with a collation', replace: { collation: { locale: 'en' } } },
  ])('$what, a locked user is disconnected, and not all users are read', async ({ replace }) => {
    const { collection, db } = environment.models.User;
    await collection.dropIndex('isActive_1');
    if (replace !== undefined) await collection.createIndex({ isActive: 1 }, replace);
    onTestFinished(async () => {
      if (replace !== undefined) await collection.dropIndex('isActive_1');
      await collection.createIndex({ isActive: 1 }, { sparse: true });
      clock.advance(120_000);
    });
    // The indexes are listed once a minute. A search that has begun before is over after the query.
    clock.advance(120_000);
    await environment.people('Eve');
    const accesses = await accessesOf(db, isFound);
    expect(accesses.filter(({ filter }) => isSearch(filter))).toEqual([]);
  });

  test('finds very many, a locked user is disconnected', async () => {
    clock.advance(120_000);
    const locked = Array.from({ length: 1500 }, () => ({ status: 'blocked' }));
    await environment.models.User.collection.insertMany(locked);
    await isFound();
    await environment.models.User.collection.deleteMany({ status: 'blocked', name: { $exists: false } });
  });
});
