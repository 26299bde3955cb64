import { afterAll, beforeAll, expect, test } from 'vitest';
import { publishedNamespaces } from '#shared/contracts/index.js';
import { refusal } from '../support/client.js';
import { openStage, type Stage } from './stage.js';

const namespaces = Object.keys(publishedNamespaces).filter((name) => /^\/v1\/(?!lead-finder)/.test(name));

let stage: Stage;

beforeAll(async () => {
  stage = await openStage({ nodes: 2 });
});

afterAll(async () => {
  await stage?.close();
});

test.each([{ status: 'blocked' }, { isActive: false }, { blockedUntil: new Date(Date.now() + 3_600_000) }])(
  'a user with %j does not stay on any namespace',
  async (fields) => {
    const [user] = await stage.people('Ada');
    await stage.models.User.updateOne({ _id: user.id }, fields);
    for (const namespace of namespaces) {
      const error = await stage.open(user, { namespace, node: 1 }).then(
        ({ closed }) => closed,
        ({ message }: Error) => message,
      );
      expect(['io server disconnect', 'FORBIDDEN']).toContain(error);
    }
    const node = stage.nodes[1];
    if (node === undefined) throw new Error('no node');
    const claims = { uid: user.id };
    expect((await refusal(node, { namespace: '/v1/shared', claims })).message).toBe('FORBIDDEN');
  },
);

test('a user who is blocked while connected is disconnected, and one who is unknown stays', async () => {
  const [user, other] = await stage.people('Ada', 'Bob');
  const stranger = { ...other, id: 'f'.repeat(24) };
  const [s, b, a] = [
    await stage.open(stranger, { namespace: '/v1/shared' }),
    await stage.open(other, { namespace: '/v1/shared' }),
    await stage.open(user, { namespace: '/v1/shared' }),
  ];
  await stage.models.User.updateOne({ _id: user.id }, { status: 'blocked' });
  expect(await a.next('disconnected')).toEqual([{ reason: 'blocked' }]);
  expect(await a.closed).toBe('io server disconnect');
  expect((await s.ask('join')).success).toBe(true);
  expect((await b.ask('join')).success).toBe(true);
});
