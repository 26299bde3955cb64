import { setTimeout as pause } from 'node:timers/promises';
import jwt from 'jsonwebtoken';
import { type Client, connect } from './clients.js';
import { seedFlatness } from './flat-data.js';
import type { BenchOptions } from './options.js';
import { settled } from './processes.js';
import type { ScenarioResult } from './report.js';
import { beginReport, publish, toResult } from './results.js';
import { type Rig, startRig } from './rig.js';
import { inTurn, repeat } from './rounds.js';
import {
  ACCOUNT_ID,
  CHANNEL,
  CHATS,
  CIRCLE,
  CONVERSATIONS,
  type LoadOrder,
  type LoadResult,
  SECRET,
  sharedIdOf,
  type Target,
  userIdOf,
} from './wire.js';
import { startWorker, type Worker } from './workers.js';

/*
 * Whether an operation costs the same at a hundred and at a hundred thousand conversations, messages, users and waiting
 * entries: two gateways with their databases take turns.
 */

const SMALL = 100;
const LARGE = 100_000;
/** What the larger one may cost. */
const BOUND = 1.5;
/** Operations of one round. */
const REPEATS = 20;
/** Users who come back, and messages that each has missed. */
const RETURNING = 50;
const MISSED = 10;
/** Users for whom messages wait all the time: the entries are shared out among them. */
const AWAY_MAX = 1000;

/** Disables the limits that are meant for users. A user counts as offline at once. */
const SETTINGS = {
  CONNECTIONS_MAX: '0',
  ADDRESS_CONNECTIONS_MAX: '0',
  PRESENCE_GRACE_MS: '0',
  MESSAGE_LIMIT: '100000000',
};

/** One of the two gateways. */
interface Side {
  readonly size: number;
  readonly rig: Rig;
  readonly target: Target;
  /** The first circle of users, on each namespace. The first of them has the conversations. */
  readonly team: readonly Client[];
  readonly chats: readonly Client[];
}

/** An operation of the first user, or of its circle in turns. @param n counts the operations of a side */
interface Operation {
  readonly name: string;
  readonly repeats?: number;
  run(side: Side, n: number): Promise<unknown>;
}

const shared = sharedIdOf(0);
const ofTeam = (name: string, event: string, data: object): Operation => ({
  name,
  run: ({ team: [first] }) => ask(first, event, data),
});
const ofChats = (name: string, event: string, data: object): Operation => ({
  name,
  run: ({ chats: [first] }) => ask(first, event, data),
});
const ofRest = (name: string, path: string): Operation => ({ name, run: (side) => get(side, path) });

const operations: readonly Operation[] = [
  ofTeam('conversations: list', 'list_conversation', {}),
  ofTeam('conversations: open', 'list_message', { conversation_id: shared }),
  ofTeam('conversations: unread', 'conversation_filter', { status: 'unread' }),
  ofTeam('conversations: unread badge', 'channel', {}),
  ofTeam('conversations: channel', 'channel', { channel_id: CHANNEL }),
  ofTeam('conversations: search, found', 'list_conversation', { search: 'talk' }),
  ofTeam('conversations: search, nothing found', 'list_conversation', { search: 'no such title' }),
  ofTeam('conversations: search for a user', 'conversation_filter', { users: [userIdOf(1)] }),
  {
    name: 'conversations: message to ten',
    run: ({ team }, n) => ask(team[n % CIRCLE], 'message', { conversation_id: shared, data: 'Hello' }),
  },
  {
    name: 'conversations: read',
    run: ({ team }, n) => ask(team[n % CIRCLE], 'read', { conversation_id: shared }),
  },
  ofRest('support: list', '/api/v1/conversations?limit=20'),
  ofRest('support: open', `/api/v1/conversations/${shared}/messages?limit=50`),
  {
    name: 'support: message to ten',
    run: ({ chats }, n) => ask(chats[n % CIRCLE], 'send_message', { conversationId: shared, content: 'Hello' }),
  },
  ofRest('community: list with unread counts', '/api/chats?limit=20'),
  ofRest('community: open', `/api/chats/${shared}/messages?limit=50`),
  {
    name: 'community: message to ten',
    run: ({ chats }, n) => ask(chats[n % CIRCLE], 'chat:send_message', { chatId: shared, content: 'Hello' }),
  },
  ofChats('community: unread badge', 'notification:get_unread_count', {}),
  {
    // Each with another user, so that the chat is looked for and made.
    name: 'community: new direct chat',
    repeats: 5,
    run: (side, n) => post(side, '/api/chats/direct', { participantId: userIdOf(CIRCLE + n) }),
  },
];

/** Runs on the embedded database; publishes a report. */
export async function run({ rounds }: BenchOptions): Promise<void> {
  const report = beginReport('flat', [
    `Processor time of gateway and database for each operation, with ${SMALL} and with ${LARGE} conversations, messages, users and waiting entries of the durable log; medians of ${rounds} rounds in which both took turns.`,
  ]);
  const { worker: load } = await startWorker<LoadOrder, LoadResult>('load/main');
  const sides: Side[] = [];
  const note = (result: ScenarioResult): void => {
    report.scenarios.push(result);
    process.stderr.write(`${result.name}: ${result.ratios.map(({ value }) => value.median.toFixed(2)).join()}\n`);
  };
  try {
    for (const size of [SMALL, LARGE]) sides.push(await startSide(load, size));
    for (const operation of operations) {
      note(await compare(operation, sides, rounds));
    }
    note(await compareComingBack(load, sides, rounds));
  } finally {
    await load.stop();
    for (const { rig, team, chats } of sides) {
      for (const client of [...team, ...chats]) client.close();
      await rig.stop();
    }
  }
  await publish(report);
}

async function startSide(load: Worker<LoadOrder, LoadResult>, size: number): Promise<Side> {
  const rig = await startRig({ label: `${size}`, mongodbUrl: undefined, env: SETTINGS });
  await seedFlatness(rig.models, size);
  const target: Target = { protocol: 'socket.io', ports: rig.ports };
  const away = Math.min(size / MISSED, AWAY_MAX);
  await load.ask({ kind: 'connect', target, count: RETURNING + away, inFlight: 50 });
  await load.ask({ kind: 'close', target });
  await load.ask({ kind: 'store', target, firstUser: RETURNING, users: away, messagesEach: size / away });
  const open = (namespace: string): Promise<Client[]> =>
    Promise.all(
      Array.from({ length: CIRCLE }, (_, n) => connect(rig, { id: userIdOf(n), accountId: ACCOUNT_ID }, namespace)),
    );
  const side = { size, rig, target, team: await open(CONVERSATIONS), chats: await open(CHATS) };
  // The first one counts everything.
  await ask(side.team[0], 'channel', { channel_id: CHANNEL });
  return side;
}

async function compare(
  { name, repeats = REPEATS, run: operate }: Operation,
  sides: readonly Side[],
  rounds: number,
): Promise<ScenarioResult> {
  const counts = new Map<Side, number>();
  return alternate(name, sides, rounds, async (side) => {
    const first = counts.get(side) ?? 0;
    counts.set(side, first + repeats);
    for (let n = first; n < first + repeats; n += 1) await operate(side, n);
    return repeats;
  });
}

function compareComingBack(
  load: Worker<LoadOrder, LoadResult>,
  sides: readonly Side[],
  rounds: number,
): Promise<ScenarioResult> {
  const name = `durable: come back, ${MISSED} missed`;
  const prepare = ({ target }: Side): Promise<LoadResult> =>
    load.ask({ kind: 'store', target, users: RETURNING, messagesEach: MISSED });
  const work = async ({ target }: Side): Promise<number> => {
    const order = { target, count: RETURNING, inFlight: RETURNING, messagesEach: MISSED };
    const { operations: count } = await load.ask({ kind: 'comeBack', ...order });
    await load.ask({ kind: 'close', target });
    return count;
  };
  return alternate(name, sides, rounds, work, prepare);
}

/** Measures both sides in turns. @param work returns the number of operations */
async function alternate(
  name: string,
  sides: readonly Side[],
  rounds: number,
  work: (side: Side) => Promise<number>,
  prepare: (side: Side) => Promise<unknown> = async () => undefined,
): Promise<ScenarioResult> {
  const lines = await repeat(rounds, async (add, round) => {
    for (const side of inTurn(sides, round)) {
      const { rig, size } = side;
      const pids = [...rig.pids.server, ...rig.pids.database];
      await prepare(side);
      await settled(pids);
      const before = await rig.cpu();
      const count = await work(side);
      await settled(pids);
      const after = await rig.cpu();
      const each = (part: 'gateway' | 'database'): number => (after[part] - before[part]) / count / 1000;
      add(`${size}`, each('gateway') + each('database'));
      add(`${size}, of which the database`, each('database'));
    }
  });
  return toResult({
    name,
    unit: 'ms CPU',
    lines,
    comparisons: [{ of: `${LARGE}`, against: `${SMALL}`, bound: BOUND }],
  });
}

const ask = (client: Client | undefined, event: string, data: object): Promise<unknown> => {
  if (client === undefined) throw new Error('no client is connected');
  return client.ask(event, data);
};

const get = (side: Side, path: string): Promise<void> => call(side, path, { method: 'GET' });

const post = (side: Side, path: string, body: object): Promise<void> =>
  call(side, path, { method: 'POST', body: JSON.stringify(body) });

const TOO_MANY = 429;

/** A REST call of the first user. Waits while a limit is reached. @throws Error for a failure */
async function call({ rig }: Side, path: string, request: { method: string; body?: string }): Promise<void> {
  const token = jwt.sign({ userId: userIdOf(0), account_id: ACCOUNT_ID }, SECRET, { expiresIn: '8h' });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const ask = (): Promise<Response> => fetch(`http://127.0.0.1:${rig.port}${path}`, { ...request, headers });
  let answer = await ask();
  while (answer.status === TOO_MANY) {
    const { retryAfterMs } = (await answer.json()) as { retryAfterMs: number };
    await pause(retryAfterMs);
    answer = await ask();
  }
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  await answer.arrayBuffer();
}
