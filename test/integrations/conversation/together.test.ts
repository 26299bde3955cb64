import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Recorder } from '../../queries/recorder.js';
import type { TestClient } from '../../support/client.js';
import type { TestClock } from '../../support/clock.js';
import { dataOf, type TestEnvironment } from '../../support/environment.js';
import { createGate } from '../../support/gate.js';
import { nameOf } from '../../support/mongo-proxy.js';
import { createRecordedEnvironment } from '../../support/recorded-environment.js';
import { until } from '../../support/until.js';
import { countUnread } from './counters/history.js';

/* Messages that wait for their conversation on one node are stored together, as if they were stored one after another. */

const EVENT_TIMEOUT_MS = 20_000;
/** How long a message waits for others. */
const TURN_WAIT_MS = 0.75 * EVENT_TIMEOUT_MS;

let clock: TestClock;
let recorder: Recorder;
let environment: TestEnvironment;

beforeAll(async () => {
  const options = { proxyOptions: 'directConnection=true', env: { EVENT_TIMEOUT_MS: String(EVENT_TIMEOUT_MS) } };
  ({ clock, recorder, environment } = await createRecordedEnvironment(options));
});
afterAll(() => environment.close());

interface Said {
  readonly by: TestClient | undefined;
  readonly data: string;
  readonly UUID?: string;
}

const say = (id: string, { by, ...message }: Said) => by?.ask('message', { conversation_id: id, ...message });

/** A conversation of three, in which everyone has unread messages. All are on node 0, Ann also on node 1. */
async function createScene() {
  const people = await environment.people('Ann', 'Bob', 'Cid');
  const clients = await Promise.all(people.map((person) => environment.open(person)));
  const [ann, bob] = clients;
  const users = people.slice(1).map((person) => person.id);
  const made = await ann?.ask('add_conversation', { users, channel_id: 'general' });
  const id: string = dataOf(made).conversation._id;
  const there = await environment.open(people[0] as (typeof people)[0], { node: 1 });
  for (const by of [ann, bob, ...clients, there]) dataOf(await say(id, { by, data: 'before' }));
  return { id, people, clients, there };
}

/** Sends messages while the database does not answer. @returns the answers, and the names of the commands */
async function sayAtOnce(id: string, said: readonly Said[]) {
  const goOn = recorder.hold();
  const from = recorder.commands.length;
  const answers = said.map((one) => say(id, one));
  // A refusal needs no database. When it arrives, the messages before it have arrived too.
  for (const by of new Set(said.map((one) => one.by))) {
    expect(await by?.ask('message', {})).toMatchObject({ success: false });
  }
  goOn();
  const results = await Promise.all(answers);
  return { results, commands: recorder.commands.slice(from).map(({ name }) => name) };
}

async function ensureCounted(id: string): Promise<void> {
  const { Member, Message, Conversation } = environment.models;
  const members = await Member.find({ conversation: id }).lean();
  for (const member of members) expect(member.unread_count).toBe(await countUnread(environment, member));
  const [newest] = await Message.find({ conversation_id: id }).sort({ createdAt: -1 }).limit(1).lean();
  const conversation = await Conversation.findById(id).lean();
  expect(String(conversation?.last_activity)).toBe(String(newest?._id));
  for (const { last_activity_at } of [conversation, ...members].flatMap((one) => one ?? [])) {
    expect(last_activity_at).toEqual(newest?.createdAt);
  }
}

test('they take two transactions, keep their order, and are unread for everyone but their senders', async () => {
  const { id, clients } = await createScene();
  const said = Array.from({ length: 12 }, (_, n) => ({ by: clients[n < 9 ? n % 3 : 0], data: `at once ${n}` }));
  const { results, commands } = await sayAtOnce(id, said);
  for (const answer of results) dataOf(answer);
  expect(commands.filter((name) => name === 'commitTransaction').length).toBeLessThanOrEqual(2);
  expect(commands).not.toContain('findAndModify');
  const stored = await environment.models.Message.find({ conversation_id: id }).sort({ createdAt: 1 }).lean();
  expect(new Set(stored.map(({ createdAt }) => Number(createdAt))).size).toBe(stored.length);
  for (const by of clients) {
    const own = said.filter((one) => one.by === by).map(({ data }) => data);
    const texts = stored.map(({ data }) => data);
    expect(texts.filter((text) => own.includes(text))).toEqual(own);
  }
  await ensureCounted(id);
});

test('one with a UUID that is stored already is answered as stored, and the others are stored', async () => {
  const { id, clients } = await createScene();
  const [ann, bob, cid] = clients;
  const first = dataOf(await say(id, { by: ann, data: 'first', UUID: 'twice' })).message;
  const { results } = await sayAtOnce(id, [
    { by: bob, data: 'one' },
    { by: cid, data: 'two' },
    { by: ann, data: 'again', UUID: 'twice' },
    { by: cid, data: 'three' },
  ]);
  const ids = results.map((answer) => dataOf(answer).message._id);
  expect(ids[2]).toBe(first._id);
  expect(new Set(ids).size).toBe(4);
  expect(await environment.models.Message.countDocuments({ conversation_id: id, data: 'again' })).toBe(0);
  await ensureCounted(id);
});

test('when a receiver has read, or a sender has left, they are stored and refused as if one came after the other', async () => {
  const { id, people, clients } = await createScene();
  const [ann, bob, cid] = clients;
  const { Member, Conversation } = environment.models;
  const [, bobs, cids] = people.map((person) => ({ user: new Types.ObjectId(person.id) }));
  await Member.updateOne({ conversation: id, ...bobs }, { unread_count: 0 });
  await Conversation.updateOne({ _id: id }, { $pull: { users: cids?.user } });
  const { results } = await sayAtOnce(id, [
    { by: ann, data: 'one' },
    { by: cid, data: 'refused' },
    { by: bob, data: 'two' },
  ]);
  expect(results.map((answer) => answer.success)).toEqual([true, false, true]);
  expect(await Member.findOne({ conversation: id, ...bobs }).lean()).toMatchObject({ unread_count: 1 });
  expect(await Member.countDocuments({ conversation: id })).toBe(2);
});

test('when one is refused, each is stored in its own turn, and not at all when that did not come in time', async () => {
  const { id, clients } = await createScene();
  const [ann, bob, cid] = clients;
  const first = dataOf(await say(id, { by: ann, data: 'first', UUID: 'twice' })).message;
  const proxy = environment.proxy();
  const gate = createGate();
  const goOn = gate.hold();
  let writes = 0;
  // The first message, those that waited for it together, and the first of these alone.
  proxy.rules.onCommand = async (command) => {
    if (nameOf(command) !== 'bulkWrite') return undefined;
    writes += 1;
    if (writes === 3) await gate.opened;
    return undefined;
  };
  const answers = sayAtOnce(id, [
    { by: bob, data: 'before' },
    { by: bob, data: 'alone' },
    { by: ann, data: 'again', UUID: 'twice' },
    { by: cid, data: 'late' },
  ]);
  await until(() => writes === 3);
  clock.advance(TURN_WAIT_MS);
  goOn();
  const { results } = await answers;
  proxy.rules = {};
  expect(results.map(({ success }) => success)).toEqual([true, true, true, false]);
  expect(dataOf(results[2]).message._id).toBe(first._id);
  // Its own turn comes after all others.
  dataOf(await say(id, { by: bob, data: 'last' }));
  const texts = (await environment.models.Message.find({ conversation_id: id }).lean()).map(({ data }) => data);
  expect(texts).not.toContain('late');
  await ensureCounted(id);
});

test('after messages of another node only the time of the last is read', async () => {
  const { id, clients, there } = await createScene();
  for (const by of [clients[1], there, clients[2], there]) {
    const from = recorder.commands.length;
    const { message } = dataOf(await say(id, { by, data: 'in turns' }));
    const commands = recorder.commands.slice(from);
    expect(commands.filter(({ command }) => command['find'] === 'conversations')).toHaveLength(1);
    expect(commands.map(({ name }) => name)).not.toContain('findAndModify');
    expect(message.data).toBe('in turns');
    await ensureCounted(id);
  }
});
