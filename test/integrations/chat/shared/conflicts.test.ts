import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Recorder } from '../../../queries/recorder.js';
import { dataOf, type TestEnvironment } from '../../../support/environment.js';
import { createRecordedEnvironment } from '../../../support/recorded-environment.js';
import { chatKinds } from './chats.js';

let recorder: Recorder;
let environment: TestEnvironment;

beforeAll(async () => {
  ({ recorder, environment } = await createRecordedEnvironment());
});
afterAll(() => environment.close());

test.each(chatKinds)(
  'nodes that store at once in the $name chat store behind each other, not one by one',
  async (kind) => {
    const people = await kind.people(environment, 4);
    const id = await kind.make(environment, people);
    const clients = await Promise.all(
      people.map((person, index) => kind.open(environment, person, index === 0 ? 0 : 1)),
    );
    for (const content of ['first', 'second'])
      for (const client of clients) dataOf(await kind.say(client, id, { content }));

    const goOn = recorder.hold();
    const from = recorder.commands.length;
    const answers = clients.map((client, index) => kind.say(client, id, { content: `at once ${index}` }));
    // A refusal needs no database. When it arrives, the message before it has arrived too.
    for (const client of clients)
      expect(await kind.say(client, 'no id', { content: '' })).toMatchObject({ success: false });
    goOn();
    const sent = new Set((await Promise.all(answers)).map((answer) => dataOf(answer)._id));
    expect(sent.size).toBe(clients.length);
    const names = recorder.commands.slice(from).map(({ name }) => name);
    expect(names).not.toContain('aggregate');
    expect(names).not.toContain('insert');

    const [first] = people;
    const [reader] = clients;
    if (first === undefined || reader === undefined) throw new Error('people are missing');
    const query = { id, after: undefined, limit: 100 };
    const stored = await kind.catchUp(environment, { person: first, client: reader, node: 0 }, query);
    expect(stored).toHaveLength(3 * clients.length);
    expect(new Set(stored.slice(-clients.length).map((message) => message.id))).toEqual(sent);
    for (const client of clients) {
      const heard = await Promise.all(stored.map(() => client.next(kind.event)));
      expect(heard.map(([payload]) => kind.toKnown(payload).id)).toEqual(stored.map((message) => message.id));
    }
  },
);
