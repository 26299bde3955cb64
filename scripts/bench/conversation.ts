import { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { foldText } from '#shared/utilities/fold-text.js';
import { addUsers, type Client, connect } from './clients.js';
import type { BenchOptions } from './options.js';
import type { ScenarioResult } from './report.js';
import { beginReport, type Measurement, publish, toResult } from './results.js';
import { type Rig, startRig } from './rig.js';
import { repeat } from './rounds.js';
import { quantile } from './statistics.js';

/*
 * Cost of conversations: latency of a message to its acknowledgement and to the last of ten participants, and whether
 * lists and counters cost the same for a user with a hundred conversations and with a hundred thousand.
 */

const NAMESPACE = '/v1/conversation';
const PARTICIPANTS = 10;
const MESSAGES = 300;
const SIZES = [100, 10_000, 100_000] as const;
const READS = 40;
const SEED_BATCH = 2000;
/** Time of the oldest stored conversation, Unix time in milliseconds. */
const BEGINNING = 1_700_000_000_000;

/** Runs on the embedded database, and on MongoDB when `MONGODB_URL` is set; publishes a report. */
export async function run({ rounds }: BenchOptions): Promise<void> {
  const report = beginReport('conversation', [
    `${PARTICIPANTS} participants of a conversation, each with one socket; ${MESSAGES} messages a round, medians of ${rounds} rounds.`,
    'A list is the first page of 20 with its last messages; a counter update is pinning a conversation or unpinning it.',
  ]);
  const url = process.env['MONGODB_URL'];
  for (const label of ['embedded', ...(url === undefined ? [] : ['MongoDB'])]) {
    const rig = await startRig({ label, mongodbUrl: label === 'MongoDB' ? url : undefined });
    try {
      for (const scenario of [measureMessages, measureSizes, measureMessageLists]) {
        report.scenarios.push(...(await scenario(rig, { rounds })));
      }
    } finally {
      await rig.stop();
    }
  }
  await publish(report);
}

type Options = Pick<BenchOptions, 'rounds'>;

async function measureMessages(rig: Rig, { rounds }: Options): Promise<ScenarioResult[]> {
  const name = `a message to ${PARTICIPANTS} participants, ${rig.label}`;
  const users = await addUsers(rig, PARTICIPANTS);
  const clients = await Promise.all(users.map((user) => connect(rig, user, NAMESPACE)));
  const [sender, ...others] = clients;
  if (sender === undefined) throw new Error('no client is connected');
  const conversationIds: string[] = [];
  for (let n = 0; n < PARTICIPANTS; n += 1) {
    const { conversation } = await sender.ask('add_conversation', {
      users: others.map(({ id }) => id),
      channel_id: 'x',
    });
    conversationIds.push(conversation._id);
  }
  const say = createSay(others);
  const results: ScenarioResult[] = [];
  for (const { label, inFlight, isReadAtOnce } of [
    { label: '1 in flight', inFlight: 1, isReadAtOnce: false },
    { label: `${PARTICIPANTS} in flight, a conversation each`, inFlight: PARTICIPANTS, isReadAtOnce: false },
    { label: '1 in flight, all read each', inFlight: 1, isReadAtOnce: true },
  ]) {
    const lines = await repeat(rounds, async (add) => {
      const before = await rig.cpu();
      const startedAt = performance.now();
      const acked: number[] = [];
      const arrived: number[] = [];
      const worker = async (first: number): Promise<void> => {
        for (let n = first; n < MESSAGES; n += inFlight) {
          const conversation_id = conversationIds[first] ?? '';
          const timing = await say(sender, conversation_id);
          acked.push(timing.ackedMs);
          arrived.push(timing.arrivedMs);
          if (isReadAtOnce) await Promise.all(others.map((other) => other.ask('read', { conversation_id })));
        }
      };
      await Promise.all(Array.from({ length: inFlight }, (_, first) => worker(first)));
      const durationMs = performance.now() - startedAt;
      const after = await rig.cpu();
      add('to ack, p50 ms', quantile(acked, 0.5));
      add('to ack, p99 ms', quantile(acked, 0.99));
      add('to the last participant, p50 ms', quantile(arrived, 0.5));
      add('to the last participant, p99 ms', quantile(arrived, 0.99));
      add('messages per second', (MESSAGES / durationMs) * 1000);
      add('CPU of the gateway, ms', (after.gateway - before.gateway) / MESSAGES / 1000);
      add('CPU of the database, ms', (after.database - before.database) / MESSAGES / 1000);
    });
    results.push(toResult({ name: `${name}, ${label}`, unit: 'per message', lines, comparisons: [] }));
  }
  for (const client of clients) client.close();
  return results;
}

/** Sends a message and measures the time to its acknowledgement and to its arrival at all others. */
function createSay(others: readonly Client[]) {
  const waiting = new Map<string, { left: number; done(): void }>();
  for (const { socket } of others) {
    socket.on('message', ({ UUID }: { UUID: string }) => {
      const entry = waiting.get(UUID);
      if (entry === undefined) return;
      entry.left -= 1;
      if (entry.left === 0) entry.done();
    });
  }
  let count = 0;
  return async (sender: Client, conversation_id: string) => {
    count += 1;
    const UUID = `m${count}`;
    const startedAt = performance.now();
    const arrived = new Promise<number>((resolve) => {
      waiting.set(UUID, { left: others.length, done: () => resolve(performance.now() - startedAt) });
    });
    await sender.ask('message', { conversation_id, data: 'The quick brown fox jumps over the lazy dog.', UUID });
    const ackedMs = performance.now() - startedAt;
    const arrivedMs = await arrived;
    waiting.delete(UUID);
    return { ackedMs, arrivedMs };
  };
}

async function measureSizes(rig: Rig, { rounds }: Options): Promise<ScenarioResult[]> {
  const name = `by the number of the user's conversations, ${rig.label}`;
  const subjects: Subject[] = [];
  for (const size of SIZES) {
    const [user, other] = await addUsers(rig, 2);
    if (user === undefined || other === undefined) throw new Error('no client is connected');
    const newest = await addConversations(rig.models, { user, other, count: size });
    const client = await connect(rig, user, NAMESPACE);
    // The first query initializes the counters.
    await client.ask('channel', { channel_id: 'x' });
    for (let page = 1; page <= deepPageOf(size); page += 1) await client.ask('list_conversation', { page, limit: 100 });
    subjects.push({ size, client, newest, otherId: other.id });
  }
  const kinds: Kind[] = [
    ['channel', ({ client }) => client.ask('channel', { channel_id: 'x' })],
    ['channel without an id', ({ client }) => client.ask('channel', {})],
    ['list_conversation', ({ client }) => client.ask('list_conversation', {})],
    ['conversation_filter, unread', ({ client }) => client.ask('conversation_filter', { status: 'unread' })],
    ['conversation_filter, an early day', ({ client }) => client.ask('conversation_filter', LONG_AGO)],
    ['conversation_filter, one user', ({ client, otherId }) => client.ask('conversation_filter', { users: [otherId] })],
    ['search, early match', ({ client }) => client.ask('list_conversation', { search: 'talk' })],
    ['search, no match', ({ client }) => client.ask('list_conversation', { search: 'nothing is called so' })],
    ['search for a user', ({ client }) => client.ask('list_conversation', { search: 'user 1' })],
    ['pages 2 to 4, sequential', ({ client }, n) => client.ask('list_conversation', { page: 2 + (n % 3) })],
    [
      'a deep page, sequential access',
      ({ client, size }) => client.ask('list_conversation', { page: deepPageOf(size), limit: 100 }),
    ],
    [
      'a deep page, direct access',
      ({ client, size }) => client.ask('list_conversation', { page: Math.min(size / 20, 500) }),
    ],
    [
      'counter update',
      ({ client, newest }, n) => client.ask('show_on_top', { conversation_id: newest, show_on_top: n % 2 === 0 }),
    ],
  ];
  const results = await measureKinds(kinds, subjects, { name, unit: 'conversations', rounds });
  for (const { client } of subjects) client.close();
  return results;
}

/** A user with a number of conversations, or with one conversation with a number of messages. */
interface Subject {
  readonly size: number;
  readonly client: Client;
  /** The newest conversation. */
  readonly newest: string;
  readonly otherId: string;
}

/** The page of a hundred in the middle of the list. */
const deepPageOf = (size: number): number => Math.max(1, size / 200);

type Kind = [name: string, ask: (subject: Subject, n: number) => Promise<unknown>];

/** The first twenty seconds of the data of {@link addConversations}. */
const LONG_AGO = { from: '2023-11-14T00:00:00Z', to: '2023-11-14T22:13:40Z' };

async function measureMessageLists(rig: Rig, { rounds }: Options): Promise<ScenarioResult[]> {
  const name = `by the number of the conversation's messages, ${rig.label}`;
  const subjects: Subject[] = [];
  for (const size of SIZES) {
    const [user, other] = await addUsers(rig, 2);
    if (user === undefined || other === undefined) throw new Error('no client is connected');
    const newest = await addConversations(rig.models, { user, other, count: 1 });
    await addMessages(rig.models, { conversation: newest, sender: other.id, count: size });
    subjects.push({
      size,
      client: await connect(rig, user, NAMESPACE),
      newest,
      otherId: other.id,
    });
  }
  const kinds: Kind[] = [
    ['list_message', ({ client, newest }) => client.ask('list_message', { conversation_id: newest })],
    [
      'list_message, before an early message',
      ({ client, newest }) => client.ask('list_message', { conversation_id: newest, before: '2023-11-14T22:13:30Z' }),
    ],
    [
      'list_message, a deep page, direct access',
      ({ client, newest, size }) =>
        client.ask('list_message', { conversation_id: newest, page: Math.min(size / 20, 500) }),
    ],
    ['read', ({ client, newest }) => client.ask('read', { conversation_id: newest })],
    ['message', ({ client, newest }) => client.ask('message', { conversation_id: newest, data: 'Hello' })],
  ];
  const results = await measureKinds(kinds, subjects, { name, unit: 'messages', rounds });
  for (const { client } of subjects) client.close();
  return results;
}

/**
 * Measures every operation for every subject, alternating. The largest may take at most twice as long as the smallest.
 */
async function measureKinds(
  kinds: readonly Kind[],
  subjects: readonly Subject[],
  { name, unit, rounds }: { name: string; unit: string; rounds: number },
): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  for (const [kind, ask] of kinds) {
    const lines = await repeat(rounds, async (add) => {
      for (const subject of subjects) {
        const times: number[] = [];
        for (let n = 0; n < READS; n += 1) {
          const startedAt = performance.now();
          await ask(subject, n);
          times.push(performance.now() - startedAt);
        }
        add(`${subject.size} ${unit}`, quantile(times, 0.5));
      }
    });
    const [smallest, , largest] = lines.map(({ label }) => label);
    const measurement: Measurement = {
      name: `${kind}, ${name}`,
      unit: 'ms, p50',
      lines,
      comparisons: [{ of: largest ?? '', against: smallest ?? '', bound: 2 }],
    };
    results.push(toResult(measurement));
  }
  return results;
}

/** Stores conversations of two users in the format of other services. @returns the id of the newest */
async function addConversations(
  { Conversation, Member, Message }: Models,
  { user, other, count }: { user: { id: string; accountId: string }; other: { id: string }; count: number },
): Promise<string> {
  const account = new Types.ObjectId(user.accountId);
  const users = [user.id, other.id].map((id) => new Types.ObjectId(id));
  const [own] = users;
  if (own === undefined) throw new Error('no client is connected');
  let newest = '';
  for (let start = 0; start < count; start += SEED_BATCH) {
    const conversations = Array.from({ length: Math.min(SEED_BATCH, count - start) }, (_, n) => {
      const at = new Date(BEGINNING + (start + n) * 1000);
      const _id = new Types.ObjectId();
      const shared = { account, channel_id: 'x', is_open: true, last_activity_at: at, title: `Talk ${start + n}` };
      return {
        _id,
        users,
        ...shared,
        image: [],
        created_by: own,
        last_activity: new Types.ObjectId(),
        createdAt: at,
        updatedAt: at,
      };
    });
    newest = String(conversations.at(-1)?._id);
    await Conversation.collection.insertMany(conversations);
    await Message.collection.insertMany(
      conversations.map(({ _id, last_activity, createdAt }) => {
        const message = { data: 'Hello', type: 'text', mentions: [], attachments: [], UUID: String(last_activity) };
        return { _id: last_activity, conversation_id: _id, sent_by: own, createdAt, ...message };
      }),
    );
    await Member.collection.insertMany(
      conversations.map(({ _id, channel_id, is_open, last_activity_at, title }, n) => ({
        _id: new Types.ObjectId(),
        conversation: _id,
        kind: 'team' as const,
        user: own,
        account,
        channel_id,
        is_open,
        last_activity_at,
        search_key: foldText(title),
        unread_count: n % 4 === 0 ? 1 : 0,
        show_on_top: false,
        snoozed_until: null,
        archived: false,
        mentioned: false,
        last_read: null,
        last_read_at: null,
      })),
    );
  }
  return newest;
}

/** Stores messages, one per second. */
async function addMessages(
  { Message }: Models,
  { conversation, sender, count }: { conversation: string; sender: string; count: number },
): Promise<void> {
  const content = { data: 'Hello', type: 'text', mentions: [], attachments: [], sent_by: new Types.ObjectId(sender) };
  for (let start = 0; start < count; start += SEED_BATCH) {
    await Message.collection.insertMany(
      Array.from({ length: Math.min(SEED_BATCH, count - start) }, (_, n) => ({
        _id: new Types.ObjectId(),
        conversation_id: new Types.ObjectId(conversation),
        UUID: `m${start + n}`,
        createdAt: new Date(BEGINNING + (start + n) * 1000),
        ...content,
      })),
    );
  }
}
