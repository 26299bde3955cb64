import { Types } from 'mongoose';
import { addUsers, type BenchUser, type Client, connect } from './clients.js';
import { createSay, measureTalk, withCpu } from './messages.js';
import type { BenchOptions } from './options.js';
import type { ScenarioResult } from './report.js';
import { beginReport, publish, toResult } from './results.js';
import { type Rig, startRig } from './rig.js';
import { repeat } from './rounds.js';
import { quantile } from './statistics.js';

/*
 * Cost of the support chat: latency of a message to its acknowledgement and to the last of 10 and of 200 participants,
 * with and without batched writes; typing events; and connects and disconnects while a thousand users are online.
 */

const NAMESPACE = '/';
const EVENTS = {
  send: 'send_message',
  heard: 'new_message',
  id: 'clientMessageId',
  text: 'content',
  place: 'conversationId',
};
const SENDERS = 10;
const CASES = [
  { participants: 10, messages: 300 },
  { participants: 200, messages: 100 },
] as const;
const TYPISTS = 100;
const TYPED = 3;
const ONLINE = 1000;
const VISITS = 50;
const FRIENDS = 9;

/** Disables the limits that are meant for users. */
const SETTINGS = { MESSAGE_LIMIT: '100000000', PRESENCE_GRACE_MS: '0' };
const RIGS: [string, Record<string, string>][] = [
  ['without batching', {}],
  ['in batches of ten', { MESSAGE_BATCH_SIZE: '10', MESSAGE_BATCH_MS: '100' }],
];

/** Runs on the embedded database, or on MongoDB when `MONGODB_URL` is set; publishes a report. */
export async function run({ rounds }: BenchOptions): Promise<void> {
  const report = beginReport('chat', [
    `Each participant has one socket; ${CASES.map(({ participants, messages }) => `${messages} messages a round to ${participants}`).join(', ')}; medians of ${rounds} rounds.`,
    `"In batches of ten" is MESSAGE_BATCH_SIZE=10, MESSAGE_BATCH_MS=100. All clients live in one process, whose work is part of every latency.`,
    `Typing: ${TYPISTS} users in conversations of ten begin and stop ${TYPED} times a round. Presence: ${ONLINE} users online, ${VISITS} others come and go, each known to ${FRIENDS}.`,
  ]);
  const mongodbUrl = process.env['MONGODB_URL'];
  for (const [label, batching] of RIGS) {
    const rig = await startRig({ label, mongodbUrl, env: { ...SETTINGS, ...batching } });
    try {
      for (const scenario of label === RIGS[0]?.[0]
        ? [measureMessages, measureTyping, measureVisits]
        : [measureMessages]) {
        report.scenarios.push(...(await scenario(rig, { rounds })));
      }
    } finally {
      await rig.stop();
    }
  }
  await publish(report);
}

type Options = Pick<BenchOptions, 'rounds'>;

async function addConversation({ models }: Rig, users: readonly BenchUser[]): Promise<string> {
  const participants = users.map(({ id }) => new Types.ObjectId(id));
  const conversation = new models.SupportConversation({ participants });
  await conversation.save();
  return String(conversation._id);
}

async function measureMessages(rig: Rig, { rounds }: Options): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  for (const { participants, messages } of CASES) {
    const name = `a message to ${participants} participants, ${rig.label}`;
    const users = await addUsers(rig, participants);
    const clients = await Promise.all(users.map((user) => connect(rig, user, NAMESPACE)));
    const conversationIds = await Promise.all(Array.from({ length: SENDERS }, () => addConversation(rig, users)));
    const say = createSay(EVENTS, clients);
    for (const inFlight of [1, SENDERS]) {
      const lines = await measureTalk(rig, {
        rounds,
        messages,
        inFlight,
        say: (worker) => say(clients[worker] as Client, conversationIds[worker] as string),
      });
      results.push(toResult({ name: `${name}, ${inFlight} in flight`, unit: 'per message', lines, comparisons: [] }));
    }
    for (const client of clients) client.close();
  }
  return results;
}

/** Counts events that clients receive. */
function createCount(events: readonly string[]) {
  let received = 0;
  let isReached: (() => void) | undefined;
  let wanted = Number.POSITIVE_INFINITY;
  const onEvent = (): void => {
    received += 1;
    if (received >= wanted) isReached?.();
  };
  return {
    listen({ socket }: Pick<Client, 'socket'>) {
      for (const event of events) socket.on(event, onEvent);
    },
    /** Resolves after `count` more events. */
    more: (count: number): Promise<void> =>
      new Promise((resolve) => {
        wanted = received + count;
        isReached = resolve;
      }),
  };
}

async function measureTyping(rig: Rig, { rounds }: Options): Promise<ScenarioResult[]> {
  const name = `typing in conversations of ten`;
  const users = await addUsers(rig, TYPISTS);
  const count = createCount(['user_typing', 'user_stopped_typing']);
  const clients = await Promise.all(users.map((user) => connect(rig, user, NAMESPACE)));
  for (const client of clients) count.listen(client);
  const conversationIds: string[] = [];
  for (let start = 0; start < TYPISTS; start += 10) {
    conversationIds.push(await addConversation(rig, users.slice(start, start + 10)));
  }
  const relays = TYPISTS * TYPED * 2 * 9;
  const lines = await repeat(rounds, async (add) => {
    const relayed = count.more(relays);
    const type = async (client: Client, index: number): Promise<void> => {
      const conversationId = conversationIds[Math.floor(index / 10)];
      for (let n = 0; n < TYPED; n += 1) {
        await client.ask('typing_start', { conversationId });
        await client.ask('typing_stop', { conversationId });
      }
    };
    const used = await withCpu(rig, relays, async () => {
      await Promise.all([...clients.map(type), relayed]);
    });
    add('relays per second', used.perSecond);
    add('CPU of the gateway, ms', used.gateway);
    add('CPU of the database, ms', used.database);
  });
  for (const client of clients) client.close();
  return [toResult({ name, unit: 'per relay', lines, comparisons: [] })];
}

async function measureVisits(rig: Rig, { rounds }: Options): Promise<ScenarioResult[]> {
  const name = `connects and disconnects, ${ONLINE} users online`;
  const users = await addUsers(rig, ONLINE + VISITS);
  const [online, visitors] = [users.slice(0, ONLINE), users.slice(ONLINE)];
  const came = createCount(['user_online']);
  const gone = createCount(['user_offline']);
  const clients: Client[] = [];
  for (let start = 0; start < ONLINE; start += 50) {
    const some = online.slice(start, start + 50);
    clients.push(...(await Promise.all(some.map((user) => connect(rig, user, NAMESPACE)))));
  }
  for (const [index, visitor] of visitors.entries()) {
    await addConversation(rig, [visitor, ...online.slice(index * FRIENDS, (index + 1) * FRIENDS)]);
  }
  for (const client of clients) {
    came.listen(client);
    gone.listen(client);
  }
  const lines = await repeat(rounds, async (add) => {
    const toOnline: number[] = [];
    const toOffline: number[] = [];
    const used = await withCpu(rig, VISITS, async () => {
      for (const visitor of visitors) {
        const [startedAt, heardOnline] = [performance.now(), came.more(FRIENDS)];
        const client = await connect(rig, visitor, NAMESPACE);
        await heardOnline;
        toOnline.push(performance.now() - startedAt);
        const [leftAt, heardOffline] = [performance.now(), gone.more(FRIENDS)];
        client.close();
        await heardOffline;
        toOffline.push(performance.now() - leftAt);
      }
    });
    add('from connect to the last user_online, p50 ms', quantile(toOnline, 0.5));
    add('from disconnect to the last user_offline, p50 ms', quantile(toOffline, 0.5));
    add('visits per second, sequential', used.perSecond);
    add('CPU of the gateway, ms', used.gateway);
    add('CPU of the database, ms', used.database);
  });
  for (const client of clients) client.close();
  return [toResult({ name, unit: 'per visit, including its connection', lines, comparisons: [] })];
}
