import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Crossing, createCrossing } from '../../support/crossing.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import type { Document } from '../../support/mongo-proxy.js';

/* A message is stored between the reads of a member and of its conversation. */

let environment: TestEnvironment;
let crossing: Crossing;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, proxyOptions: '' });
  crossing = createCrossing(environment.proxy());
});
afterAll(() => environment.close());

/** Ann on the second node, Bob on the first one, with a message that Bob has not read. */
async function talk() {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const [speaker, reader] = await Promise.all([environment.open(ann, { node: 1 }), environment.open(bob, { node: 0 })]);
  const made = await speaker.ask('add_conversation', { users: [bob.id], channel_id: 'general' });
  const id: string = dataOf(made).conversation._id;
  dataOf(await speaker.ask('message', { conversation_id: id, data: 'one' }));
  dataOf(await reader.ask('channel', {}));
  return { speaker, reader, id };
}

const together = [
  { unread_count: 1, last_activity: { data: 'one' } },
  { unread_count: 2, last_activity: { data: 'two' } },
].map((form) => expect.objectContaining({ ...form, last_activity: expect.objectContaining(form.last_activity) }));

test.each([
  ['list_conversation', () => ({})],
  ['conversation_filter', () => ({ status: 'open' })],
  ['channel', () => ({ channel_id: 'general' })],
  ['get_conversation_by_id', (id: string) => ({ conversation_id: id })],
  ['list_message', (id: string) => ({ conversation_id: id })],
])('the last message and the unread number that %s shows belong together', async (event, toData) => {
  const { speaker, reader, id } = await talk();
  const conversations = environment.models.Conversation.collection.collectionName;
  const isOfConversation = (command: Document): boolean =>
    command['find'] === conversations || command['aggregate'] === conversations;
  const answer = await crossing.storedLast(
    isOfConversation,
    () => reader.ask(event, toData(id)),
    () => speaker.ask('message', { conversation_id: id, data: 'two' }),
  );
  const { conversation } = dataOf(answer as never);
  expect(together).toContainEqual([conversation].flat()[0]);
});
