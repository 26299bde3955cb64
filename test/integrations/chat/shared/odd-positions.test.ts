import { mongo, Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { chatKinds } from './chats.js';

/*
 * Something else than a whole number in the place of a position. The nodes do not know the last position of the conversation, so they
 * ask for it, and find this one.
 */

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ env: { MESSAGE_LIMIT: '100000' } });
});
afterAll(() => environment.close());

const FRACTION = 3.5;

const odd: [string, unknown][] = [
  ['beyond whole numbers', 1e300],
  ['endless', Number.POSITIVE_INFINITY],
  ['a fraction', FRACTION],
  ['a decimal', mongo.Decimal128.fromString('1')],
  ['a long', mongo.Long.fromNumber(1)],
  ['a list', [1, 7]],
  ['a list with other numbers', [1, Number.NaN, -7]],
  ['text', '1'],
  ['negative', -7],
  ['no number', Number.NaN],
];

/** Whether it keeps another message from the same position. */
const isTaken = (position: unknown): boolean =>
  [position].flat().some((one) => typeof one !== 'string' && Number(one) > 0);

describe.each(chatKinds)('the $name chat', (kind) => {
  test.each(odd)('stores and shows messages beside one with a position that is %s', async (_name, position) => {
    const people = await kind.people(environment, 2);
    const [ann, bob] = people;
    if (ann === undefined || bob === undefined) throw new Error('people are missing');
    const id = await kind.make(environment, people);
    const model = kind.name === 'support' ? environment.models.SupportMessage : environment.models.ChatMessage;
    const parent = new Types.ObjectId(id);
    // It comes between others: what is asked for by time begins there.
    const at = position === FRACTION ? new Date(0) : new Date();
    const ofSupport = { conversationId: parent, senderId: ann.id, timestamp: at };
    const ofCommunity = { chat: parent, sender: new Types.ObjectId(ann.id), createdAt: at };
    const own = kind.name === 'support' ? ofSupport : ofCommunity;
    await model.collection.insertOne({ ...own, content: 'odd', position } as never);
    const [a, b] = [await kind.open(environment, ann, 0), await kind.open(environment, bob, 0)];
    /** A whole number of another type is a position: the odd message is sent, too. */
    const hear = async (): Promise<string> => {
      const { content } = kind.toKnown((await b.next(kind.event))[0]);
      return content === 'odd' ? hear() : content;
    };
    const contents = Array.from({ length: 9 }, (_, n) => `said ${n}`);
    for (const [n, content] of contents.entries()) {
      dataOf(await kind.say(n % 2 === 0 ? a : b, id, { content }));
      expect(await hear()).toBe(content);
    }
    // What another service stores afterwards gets a position when it is read, also with something else in its place.
    const late = { ...own, timestamp: new Date(), createdAt: new Date() };
    await model.collection.insertOne({ ...late, content: 'stray' } as never);
    const known = [...contents, 'stray'];
    if (!isTaken(position)) {
      const later = new Date(late.createdAt.getTime() + 1);
      const odd = { ...own, timestamp: later, createdAt: later, content: 'odd stray', position };
      await model.collection.insertOne(odd as never);
      known.push('odd stray');
    }
    const reader = { person: bob, client: b, node: 0 };
    const shown = await kind.catchUp(environment, reader, { id, after: undefined, limit: 100 });
    expect(shown.map(({ content }) => content).filter((content) => content !== 'odd')).toEqual(known);
    expect(shown.filter(({ content }) => content === 'odd')).toHaveLength(1);
    dataOf(await kind.say(a, id, { content: 'last' }));
    expect(await hear()).toBe('last');
    for (const client of [a, b]) client.close();
  });
});
