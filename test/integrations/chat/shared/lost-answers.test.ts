import { type Collection, Types } from 'mongoose';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../../support/client.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { createGate } from '../../../support/gate.js';
import { type Document, nameOf } from '../../../support/mongo-proxy.js';
import { until } from '../../../support/until.js';
import { type ChatKind, chatKinds } from './chats.js';

/* Messages are stored, and then the database fails before that is known. */

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({
    proxyOptions: 'directConnection=true',
    overrides: { clock: createTestClock() },
  });
});
afterAll(() => environment.close());
afterEach(() => {
  environment.proxy().rules = {};
});

/** A conversation of three, in which the next message is stored without reading. */
async function createScene(kind: ChatKind) {
  const people = await kind.people(environment, 3);
  const id = await kind.make(environment, people);
  const [ann, bob, cid] = await Promise.all(people.map((person) => kind.open(environment, person, 0)));
  if (ann === undefined || bob === undefined || cid === undefined) throw new Error('people are missing');
  for (const content of ['first', 'second'])
    for (const client of [ann, bob, cid]) dataOf(await kind.say(client, id, { content }));
  const model = kind.name === 'support' ? environment.models.SupportMessage : environment.models.ChatMessage;
  const heard = (client: TestClient, content: string): number =>
    client.received(kind.event).filter(([payload]) => kind.toKnown(payload).content === content).length;
  return { id, ann, bob, cid, collection: model.collection as Collection, heard, proxy: environment.proxy() };
}

const FAILURE = { ok: 0, errmsg: 'an error without a code' };

test.each(chatKinds)('what is stored in the $name chat is answered and sent, the rest is refused', async (kind) => {
  const { id, ann, bob, cid, collection, heard, proxy } = await createScene(kind);
  const last = await collection.findOne({}, { sort: { position: -1 } });
  const taken = { ...last, _id: new Types.ObjectId(), position: last?.['position'] + 3 };

  const gate = createGate();
  const goOn = gate.hold();
  let writes = 0;
  proxy.rules.onCommand = async (command) => {
    if (nameOf(command) === 'bulkWrite') {
      writes += 1;
      await gate.opened;
    }
    return command['find'] === collection.collectionName ? FAILURE : undefined;
  };
  const before = kind.say(ann, id, { content: 'before' });
  await until(() => writes === 1);
  await collection.insertOne(taken);
  // They wait for the write before, and are written together.
  const stored = kind.say(bob, id, { content: 'stored' });
  const refused = kind.say(cid, id, { content: 'refused' });
  for (const client of [bob, cid])
    expect(await kind.say(client, 'no id', { content: '' })).toMatchObject({ success: false });
  goOn();
  dataOf(await before);
  expect(dataOf(await stored).content).toBe('stored');
  expect(await refused).toMatchObject({ success: false });
  proxy.rules = {};
  await until(() => heard(ann, 'stored') === 1);
  expect(await collection.countDocuments({ content: 'refused' })).toBe(0);
});

test.each(chatKinds)('a retry in the $name chat sends what was stored without an answer', async (kind) => {
  const { id, ann, bob, cid, collection, heard, proxy } = await createScene(kind);
  proxy.rules = {
    onReply: (reply, command) => (nameOf(command) === 'bulkWrite' ? 'cut' : reply),
    onCommand: (command) => (command['find'] === collection.collectionName ? FAILURE : undefined),
  };
  const draft = { content: 'once', clientMessageId: 'once' };
  expect(await kind.say(ann, id, draft)).toMatchObject({ success: false });
  proxy.rules = {};
  const stored = dataOf(await kind.say(ann, id, draft));
  expect(dataOf(await kind.say(ann, id, draft))._id).toBe(stored._id);
  expect(await collection.countDocuments({ content: 'once' })).toBe(1);
  for (const client of [bob, cid]) await until(() => heard(client, 'once') === 1);
  dataOf(await kind.say(bob, id, { content: 'after' }));
  await until(() => heard(cid, 'after') === 1);
  expect(heard(cid, 'once')).toBe(1);
});

test.each(chatKinds)('a message in the $name chat that the database stores late is answered and sent', async (kind) => {
  const { id, ann, bob, collection, heard, proxy } = await createScene(kind);
  let late: Document | undefined;
  proxy.rules.onCommand = async (command) => {
    const [insert] = ((command['ops'] ?? []) as Document[]).flatMap(({ document }) => document ?? []) as Document[];
    if (insert !== undefined) {
      late = insert;
      return 'cut';
    }
    // The connection was lost, and the command runs when the message has been looked for.
    if (command['insert'] === collection.collectionName && late !== undefined) await collection.insertOne({ ...late });
    return undefined;
  };
  expect(dataOf(await kind.say(ann, id, { content: 'late' })).content).toBe('late');
  proxy.rules = {};
  await until(() => heard(bob, 'late') === 1);
  expect(await collection.countDocuments({ content: 'late' })).toBe(1);
});
