import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PublishedNamespace, publishedNamespaces } from '#shared/contracts/index.js';
import { refusal } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';

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
  for (const fields of [{ status: 'Suspended' }, { isActive: 'false' }, { blockedUntil: clock.now() + 60_000 }]) {
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
