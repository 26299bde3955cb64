import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../../support/client.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';
import { until } from '../../../support/until.js';
import { addChat, members, open as openCommunity } from '../community/community.js';
import { addConversation, openChat } from '../support/chat.js';

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock } });
});
afterAll(() => environment.close());

/** Ann on the first node, who types; Bob and Eve on the second. */
interface Scene {
  readonly annId: string;
  readonly placeId: string;
  readonly ann: TestClient;
  readonly bob: TestClient;
  readonly eve: TestClient;
  removeBob(): Promise<unknown>;
}

async function inSupport(): Promise<Scene> {
  const { models } = environment;
  const [ann, bob, eve] = await environment.people('Ann', 'Bob', 'Eve');
  const _id = await addConversation(environment, [ann, bob, eve]);
  return {
    annId: ann.id,
    placeId: _id,
    ann: await openChat(environment, ann),
    bob: await openChat(environment, bob, { node: 1 }),
    eve: await openChat(environment, eve, { node: 1 }),
    removeBob: () => models.SupportConversation.updateOne({ _id }, { $pull: { participants: bob.id } }),
  };
}

async function inCommunity(): Promise<Scene> {
  const { models } = environment;
  const [ann, bob, eve] = await members(environment, ['Ann', 'Bob', 'Eve']);
  const _id = await addChat(environment, [ann, bob, eve], { type: 'group' });
  return {
    annId: ann.id,
    placeId: _id,
    ann: await openCommunity(environment, ann),
    bob: await openCommunity(environment, bob, { node: 1 }),
    eve: await openCommunity(environment, eve, { node: 1 }),
    removeBob: () => models.Chat.updateOne({ _id }, { $pull: { participants: bob.id } }),
  };
}

test.each([
  { name: 'support', enter: inSupport, prefix: '', field: 'conversationId' },
  { name: 'community', enter: inCommunity, prefix: 'chat:', field: 'chatId' },
])(
  'a typing indicator of the $name chat is taken back by the node that shows it when it hears no more of the user',
  async (chat) => {
    const { annId, placeId, ann, bob, eve, removeBob } = await chat.enter();
    const place = { [chat.field]: placeId };
    const [typing, stopped] = [`${chat.prefix}user_typing`, `${chat.prefix}user_stopped_typing`];
    await ann.ask(`${chat.prefix}typing_start`, place);
    for (const client of [bob, eve]) await client.next(typing);
    await removeBob();

    // From now on no node hears another one, as if it had died.
    await environment.redis().stop();
    await until(async () => (await environment.node(1).call('GET', '/health/ready')).status === 503);
    await clock.advanceUntil(500, () => eve.received(stopped).length > 0);
    expect(eve.received(stopped)).toEqual([[{ userId: annId, ...place }]]);
    expect(bob.received(stopped)).toEqual([]);
    await environment.redis().start();
    for (const node of environment.nodes)
      await until(async () => (await node.call('GET', '/health/ready')).status === 200);
  },
);
