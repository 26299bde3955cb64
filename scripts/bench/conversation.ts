import { addUsers, type Client, connect } from './clients.js';
import { addConversations, addMessages, LONG_AGO } from './conversation-data.js';
import { createSay, measureTalk } from './messages.js';
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
const EVENTS = { send: 'message', heard: 'message', id: 'UUID', text: 'data', place: 'conversation_id' };
const PARTICIPANTS = 10;
const MESSAGES = 300;
const SIZES = [100, 10_000, 100_000] as const;
const READS = 40;

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
  const say = createSay(EVENTS, others);
  const results: ScenarioResult[] = [];
  for (const { label, inFlight, isReadAtOnce } of [
    { label: '1 in flight', inFlight: 1, isReadAtOnce: false },
    { label: `${PARTICIPANTS} in flight, a conversation each`, inFlight: PARTICIPANTS, isReadAtOnce: false },
    { label: '1 in flight, all read each', inFlight: 1, isReadAtOnce: true },
  ]) {
    const lines = await measureTalk(rig, {
      rounds,
      messages: MESSAGES,
      inFlight,
      say: (worker) => say(sender, conversationIds[worker] as string),
      after: async (worker) => {
        const read = { conversation_id: conversationIds[worker] };
        if (isReadAtOnce) await Promise.all(others.map((other) => other.ask('read', read)));
      },
    });
    results.push(toResult({ name: `${name}, ${label}`, unit: 'per message', lines, comparisons: [] }));
  }
  for (const client of clients) client.close();
  return results;
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
