import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { createGate } from '../../../support/gate.js';
import { nameOf } from '../../../support/mongo-proxy.js';
import { until } from '../../../support/until.js';
import { chatKinds } from './chats.js';

/* Of messages that are written together some are stored, and then the database fails. */

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({
    proxyOptions: 'directConnection=true',
    overrides: { clock: createTestClock() },
  });
});
afterAll(() => environment.close());

test.each(chatKinds)('what is stored in the $name chat is answered and sent, the rest is refused', async (kind) => {
  const people = await kind.people(environment, 3);
  const id = await kind.make(environment, people);
  const [ann, bob, cid] = await Promise.all(people.map((person) => kind.open(environment, person, 0)));
  if (ann === undefined || bob === undefined || cid === undefined) throw new Error('people are missing');
  for (const content of ['first', 'second'])
    for (const client of [ann, bob, cid]) dataOf(await kind.say(client, id, { content }));
  const model = kind.name === 'support' ? environment.models.SupportMessage : environment.models.ChatMessage;
  const last = await model.collection.findOne({}, { sort: { position: -1 } });
  const taken = { ...last, _id: new Types.ObjectId(), position: last?.['position'] + 3 };

  const gate = createGate();
  const goOn = gate.hold();
  const proxy = environment.proxy();
  let writes = 0;
  proxy.rules.onCommand = async (command) => {
    if (nameOf(command) === 'bulkWrite') {
      writes += 1;
      await gate.opened;
    }
    return command['find'] === model.collection.collectionName
      ? { ok: 0, errmsg: 'an error without a code' }
      : undefined;
  };
  const before = kind.say(ann, id, { content: 'before' });
  await until(() => writes === 1);
  await model.collection.insertOne(taken as never);
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
  await until(() => ann.received(kind.event).some(([payload]) => kind.toKnown(payload).content === 'stored'));
  expect(await model.countDocuments({ content: 'refused' } as never)).toBe(0);
});
