import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../support/environment.js';
import { addConversation } from './chat/support/chat.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

/** A client whose token has the ids of its user and account in upper case. */
const openUpper = ({ id, accountId }: TestUser, namespace: string): Promise<TestClient> =>
  environment.open({ id: id.toUpperCase(), accountId: accountId.toUpperCase(), name: '' }, { namespace });

const call = (method: string, path: string, body?: unknown) => environment.node(0).call(method, path, body);

test('a user whose token has ids in upper case gets what is sent to the user and to the account', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const b = await openUpper(bob, '/v1/shared');
  const chat = await openUpper(bob, '/');
  for (const id of [bob.id, bob.id.toUpperCase()]) {
    expect(dataOf((await call('POST', `/emit/${id}/news`, {})).json).sockets).toBe(1);
    expect(dataOf((await call('GET', `/users/${id}/presence`)).json)).toMatchObject({ connections: 2 });
  }
  for (const id of [bob.accountId, bob.accountId.toUpperCase()]) {
    expect(dataOf((await call('POST', `/broadcast/news?account=${id}`, {})).json).sockets).toBe(1);
  }
  expect(dataOf((await call('POST', `/emit/${bob.id.toUpperCase()}/kept?durable=true`, {})).json).state).toBe('sent');
  expect(await b.next('kept')).toEqual([{}, expect.any(Function)]);
  for (const id of [bob.id, bob.id.toUpperCase()]) {
    expect(dataOf((await call('GET', `/users/${id}/deliveries`)).json).messages).toHaveLength(1);
  }

  const conversationId = await addConversation(environment, [ann, bob]);
  const a = await environment.open(ann, { namespace: '/' });
  dataOf(await a.ask('send_message', { conversationId, content: 'hi' }));
  expect(await chat.next('new_message')).toMatchObject([{ content: 'hi' }]);
});

test('a blocked user whose token has the id in upper case does not get the status of the blocker', async () => {
  const [ann, bob, eve] = await environment.people('Ann', 'Bob', 'Eve');
  await environment.models.User.updateOne({ _id: ann.id }, { blockedUsers: [bob.id] });
  const [a, b, e] = [
    await environment.open(ann),
    await openUpper(bob, '/v1/conversation'),
    await environment.open(eve),
  ];
  dataOf({ data: null, ...(await a.ask('active_status', { status: 'active' })) });
  expect(await e.next('active_status')).toMatchObject([{ userID: ann.id }]);
  await call('POST', `/broadcast/barrier?account=${ann.accountId}&namespace=/v1/conversation`, {});
  await b.next('barrier');
  expect(b.received('active_status')).toEqual([]);
});

test('the revocation and the disconnection of a user concern every form of the id', async () => {
  const [ann] = await environment.people('Ann');
  const clients = [await openUpper(ann, '/v1/shared'), await environment.open(ann)];
  await call('POST', `/users/${ann.id}/disconnect`, {});
  for (const client of clients) {
    expect(await client.next('disconnected')).toEqual([{ reason: null }]);
    await client.closed;
  }
});
