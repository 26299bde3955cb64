import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../support/client.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import { nameOf } from '../../support/mongo-proxy.js';
import { until } from '../../support/until.js';

/* The database stores something without an answer, and the client gets an error. */

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({
    nodes: 2,
    proxyOptions: 'directConnection=true',
    overrides: { clock },
  });
});
afterAll(() => environment.close());
afterEach(() => {
  environment.proxy(0).rules = {};
});

/** Ann with a socket on the first node and one on the second, and Bob on the second. */
async function talk() {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const [asking, again, hearing] = await Promise.all([
    environment.open(ann, { node: 0 }),
    environment.open(ann, { node: 1 }),
    environment.open(bob, { node: 1 }),
  ]);
  const made = await asking.ask('add_conversation', { users: [bob.id], channel_id: 'general' });
  const id: string = dataOf(made).conversation._id;
  await until(() => hearing.received('add_conversation').length === 1);
  return { ann, bob, asking, again, hearing, id };
}

/** MaxTimeMSExpired: the driver does not repeat the commit, of which nothing is known. */
const TOO_SLOW = { ok: 0, code: 50, errmsg: 'operation exceeded time limit' };

/** The reply to the next commit of the first node is lost. */
function loseNextAnswer(): void {
  const { rules } = environment.proxy(0);
  rules.onReply = (reply, command) => {
    if (nameOf(command) !== 'commitTransaction') return reply;
    delete rules.onReply;
    return TOO_SLOW;
  };
}

const heard = (client: TestClient, data: string): number =>
  client.received('message').filter(([message]) => message.data === data).length;

test('a message that was stored without an answer is sent once, wherever the retry comes', async () => {
  const { asking, again, hearing, id } = await talk();
  const draft = { conversation_id: id, data: 'once', UUID: 'once' };
  loseNextAnswer();
  expect(await asking.ask('message', draft)).toMatchObject({ success: false });
  const stored = dataOf(await again.ask('message', draft)).message;
  expect(dataOf(await asking.ask('message', draft)).message).toEqual(stored);
  // Also to the socket that got an error.
  for (const client of [hearing, asking]) await until(() => heard(client, 'once') === 1);
  await until(() => hearing.received('counters').length > 0);
  dataOf(await asking.ask('message', { conversation_id: id, data: 'barrier' }));
  await until(() => heard(hearing, 'barrier') === 1);
  expect(heard(hearing, 'once')).toBe(1);
  expect(await environment.models.Message.countDocuments({ conversation_id: id })).toBe(2);
});

test('every message of a group that was stored without an answer is sent', async () => {
  const { asking, again, hearing, id } = await talk();
  const say = (data: string) => asking.ask('message', { conversation_id: id, data, UUID: data });
  dataOf(await say('first'));
  dataOf(await again.ask('message', { conversation_id: id, data: 'second' }));
  loseNextAnswer();
  const group = ['a', 'b', 'c', 'd'];
  await Promise.all(group.map(say));
  for (const data of group) dataOf(await say(data));
  for (const data of group) await until(() => heard(hearing, data) === 1);
});

test('a change that was stored without an answer reaches those whom it concerns', async () => {
  const { bob, asking, again, hearing, id } = await talk();
  loseNextAnswer();
  const refused = await asking.ask('add_conversation', { users: [bob.id], channel_id: 'general', title: 'late' });
  expect(refused).toMatchObject({ success: false });
  await until(() => hearing.received('add_conversation').some(([{ title }]) => title === 'late'));

  loseNextAnswer();
  expect(await asking.ask('edit_conversation', { conversation_id: id, title: 'edited' })).toMatchObject({
    success: false,
  });
  const isEdited = ([update]: ReturnType<TestClient['received']>[number]): boolean =>
    update.data.conversation.title === 'edited';
  await until(() => hearing.received('update_conversation').some(isEdited));

  dataOf(await again.ask('message', { conversation_id: id, data: 'unread' }));
  loseNextAnswer();
  expect(await asking.ask('read', { conversation_id: id })).toMatchObject({ success: false });
  await until(() => hearing.received('read').length === 1);
  await until(() => asking.received('update_conversation').at(-1)?.[0].data.conversation.unread_count === 0);
});

test('a status that was stored without an answer reaches the account, also the socket that set it', async () => {
  const { ann, asking, hearing } = await talk();
  const { rules } = environment.proxy(0);
  rules.onReply = (reply, command) => (command['update'] === '_users' ? TOO_SLOW : reply);
  expect(await asking.ask('active_status', { status: 'away' })).toMatchObject({ success: false });
  delete rules.onReply;
  const isAway = (client: TestClient): boolean =>
    client
      .received('active_status')
      .some(([told]) => told.userID === ann.id && told.conversation_active_status === 'away');
  for (const client of [asking, hearing]) await clock.advanceUntil(500, () => isAway(client));
});

test('a message that was not stored is not sent', async () => {
  const { bob, asking, hearing, id } = await talk();
  const { rules } = environment.proxy(0);
  let commits = 0;
  rules.onCommand = (command) => {
    if (nameOf(command) !== 'commitTransaction') return undefined;
    commits += 1;
    // The server has given up the transaction when it is asked again.
    return commits === 1 ? TOO_SLOW : { ok: 0, code: 251, codeName: 'NoSuchTransaction', errmsg: 'given up' };
  };
  expect(await asking.ask('message', { conversation_id: id, data: 'lost' })).toMatchObject({ success: false });
  await until(() => commits === 2);
  await environment.node(0).call('POST', `/emit/${bob.id}/barrier?namespace=/v1/conversation`, {});
  await until(() => hearing.received('barrier').length === 1);
  expect(heard(hearing, 'lost')).toBe(0);
});
