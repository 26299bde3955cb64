import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../support/environment.js';
import { openChat } from './chat/support/chat.js';

/* A user who clicks twice, or whose client tries again, creates one conversation. */

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});
afterAll(() => environment.close());

const kinds = [
  {
    name: 'support',
    open: (user: TestUser, node: number) => openChat(environment, user, { node }),
    event: 'create_conversation',
    toData: ({ id }: TestUser, key: string) => ({ participants: [id], clientConversationId: key }),
    told: 'new_conversation',
    // biome-ignore lint/suspicious/noExplicitAny: a test looks into an answer without declaring its form again
    idOf: (data: any): string => data._id,
    leave: (id: string, { id: user }: TestUser) =>
      environment.models.SupportConversation.updateOne({ _id: id }, { $pull: { participants: user } }),
  },
  {
    name: 'team',
    open: (user: TestUser, node: number) => environment.open(user, { node }),
    event: 'add_conversation',
    toData: ({ id }: TestUser, key: string) => ({ users: [id], channel_id: 'general', UUID: key }),
    told: 'add_conversation',
    // biome-ignore lint/suspicious/noExplicitAny: as above
    idOf: (data: any): string => data.conversation._id,
    leave: (id: string, { id: user }: TestUser) =>
      environment.models.Conversation.updateOne({ _id: id }, { $pull: { users: user } }),
  },
];

test.each(kinds)('a $name conversation is created once for each key of a user, on any node', async (kind) => {
  const { open, event, toData, told, idOf, leave } = kind;
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const [here, there, b] = [await open(ann, 0), await open(ann, 1), await open(bob, 1)];
  const create = (client: typeof b, other: TestUser, key: string) => client.ask(event, toData(other, key));
  const answers = await Promise.all([here, there, here, there].map((client) => create(client, bob, 'once')));
  const ids = new Set(answers.map((answer) => idOf(dataOf(answer))));
  expect(ids.size).toBe(1);
  const another = idOf(dataOf(await create(here, bob, 'another')));
  const other = idOf(dataOf(await create(b, ann, 'once')));
  const [once = ''] = ids;
  expect(new Set([once, another, other]).size).toBe(3);
  const heard: string[] = [];
  while (heard.at(-1) !== other) heard.push((await b.next(told))[0]._id);
  expect(heard).toEqual([once, another, other]);

  // As it is stored, also for those who may not create it any more.
  await environment.models.User.updateOne({ _id: bob.id }, { blockedUsers: [ann.id] });
  expect(idOf(dataOf(await create(there, bob, 'once')))).toBe(once);
  expect((await create(there, bob, 'new')).success).toBe(false);
  await leave(once, ann);
  expect((await create(there, bob, 'once')).success).toBe(false);
});
