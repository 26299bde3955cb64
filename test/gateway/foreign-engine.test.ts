import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { exitCodes } from '../../src/platform/start-error.js';
import { addChat, members, open } from '../integrations/chat/community/community.js';
import { talk as talkInSupport } from '../integrations/chat/support/chat.js';
import { type EmbeddedTestDatabase, startEmbeddedDatabase } from '../support/database.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../support/environment.js';
import { startGateway } from '../support/gateway.js';
import { type Document, type MongoProxy, nameOf, startMongoProxy } from '../support/mongo-proxy.js';

/*
 * A gateway on a server that answers as MongoDB and other engines do where the embedded database answers otherwise, through
 * a connection string that asks for less than the gateway promises.
 */

const HOSTILE_OPTIONS =
  'minHeartbeatFrequencyMS=20&readPreference=secondaryPreferred&w=1&journal=false&readConcernLevel=available&retryWrites=false&retryReads=false';

let database: EmbeddedTestDatabase;
let proxy: MongoProxy;
let environment: TestEnvironment;

beforeAll(async () => {
  database = await startEmbeddedDatabase();
  const env = { MESSAGE_LIMIT: '100000' };
  environment = await createTestEnvironment({ database, proxyOptions: HOSTILE_OPTIONS, env });
  proxy = environment.proxy();
});
afterEach(() => {
  proxy.rules = {};
  proxy.commands.length = 0;
});
afterAll(() => environment.close());

/** Two users with a conversation of the team. */
async function team() {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const [a, b] = [await environment.open(ann), await environment.open(bob)];
  const made = dataOf(await a.ask('add_conversation', { users: [bob.id], channel_id: 'general' }));
  const id: string = made.conversation._id;
  const say = (UUID: string) => a.ask('message', { conversation_id: id, data: `said ${UUID}`, UUID });
  return { ann, bob, a, b, id, say };
}

const emitOnce = (key: string) =>
  environment.nodes[0]?.call('POST', '/emit/ann/m?durable=true', { n: 1 }, { 'idempotency-key': key });

const READS = new Set(['find', 'aggregate', 'count', 'distinct']);
const WRITES = new Set(['insert', 'update', 'delete', 'findAndModify']);

test('reads from the primary and writes to a majority, in snapshots, with time limits, regardless of the connection string', async () => {
  const { a, b, id, say } = await team();
  dataOf(await say('1'));
  dataOf(await b.ask('read', { conversation_id: id }));
  dataOf(await a.ask('list_conversation', {}));
  dataOf(await a.ask('channel', {}));
  dataOf((await a.ask('join', {})) && { success: true });
  expect((await emitOnce('pinned'))?.status).toBe(200);
  const { a: c, conversationId } = await talkInSupport(environment);
  dataOf(await c.ask('send_message', { conversationId, content: 'hello' }));

  const commands = proxy.commands.filter((command) => READS.has(nameOf(command)) || WRITES.has(nameOf(command)));
  expect(commands.length).toBeGreaterThan(20);
  for (const command of commands) {
    const mode = (command['$readPreference'] as Document | undefined)?.['mode'] ?? 'primary';
    expect(mode, JSON.stringify(command)).toBe('primary');
    // Some reads have a shorter limit of their own.
    const maxTimeMs = Number(command['maxTimeMS']);
    expect(maxTimeMs > 0 && maxTimeMs <= 15_000, JSON.stringify(command)).toBe(true);
    const isInTransaction = command['autocommit'] === false;
    if (!isInTransaction && WRITES.has(nameOf(command))) {
      expect(command['writeConcern'], JSON.stringify(command)).toMatchObject({
        w: 'majority',
        wtimeout: expect.anything(),
      });
    }
    if (command['startTransaction'] === true) expect(command['readConcern']).toMatchObject({ level: 'snapshot' });
  }
  const commits = proxy.commands.filter((command) => nameOf(command) === 'commitTransaction');
  expect(commits.length).toBeGreaterThan(1);
  for (const commit of commits) expect(commit['writeConcern']).toMatchObject({ w: 'majority' });
  const inserts = commands.filter((command) => nameOf(command) === 'insert');
  expect(inserts.every((command) => command['txnNumber'] !== undefined)).toBe(true);
});

/** Other words for 11000. Engines on PostgreSQL leave out the key pattern; some do not even name the index. */
const rewordings: Record<string, (failure: Document) => Document> = {
  'an engine on PostgreSQL': ({ keyPattern: _, keyValue: __, errmsg, ...rest }) => ({
    ...rest,
    errmsg: `Duplicate key violation on the requested collection: Index '${/index: (\S+)/.exec(String(errmsg))?.[1]}'`,
  }),
  'an engine that names no index': ({ keyPattern: _, keyValue: __, ...rest }) => ({
    ...rest,
    errmsg: 'Schlüssel besteht bereits',
  }),
};

test.each(Object.entries(rewordings))(
  'answers a resent message with the stored one, given the error texts of %s',
  async (_, reword) => {
    proxy.rules.onReply = (reply) => {
      const failures = reply['writeErrors'] as Document[] | undefined;
      if (failures !== undefined)
        return { ...reply, writeErrors: failures.map((one) => (one['code'] === 11_000 ? reword(one) : one)) };
      return reply['code'] === 11_000 ? reword(reply) : reply;
    };
    const { say, id } = await team();
    const said = dataOf(await say('again'));
    expect(dataOf(await say('again'))).toEqual(said);
    expect(await environment.models.Message.countDocuments({ conversation_id: id })).toBe(1);

    const { a, conversationId } = await talkInSupport(environment);
    const message = { conversationId, content: 'hello', clientMessageId: 'c1' };
    const first = await a.ask('send_message', message);
    expect(await a.ask('send_message', message)).toEqual(first);
    expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(1);

    const [ann, bob] = await members(environment, ['Ann', 'Bob']);
    const client = await open(environment, ann);
    const chatId = await addChat(environment, [ann, bob]);
    const chatted = await client.ask('chat:send_message', { chatId, content: 'hello', clientMessageId: 'c1' });
    expect(await client.ask('chat:send_message', { chatId, content: 'hello', clientMessageId: 'c1' })).toEqual(chatted);
    expect(await environment.models.ChatMessage.countDocuments({ chat: chatId })).toBe(1);

    const key = `again ${_}`;
    const emitted = await emitOnce(key);
    expect((await emitOnce(key))?.json.data).toEqual(emitted?.json.data);

    // What is acknowledged by such an answer must survive a fail-over, though it may have been stored a moment ago.
    const levelOf = ({ readConcern }: Document) => (readConcern as Document | undefined)?.['level'];
    const lookups = proxy.commands.filter((command) => levelOf(command) === 'linearizable');
    const collections = ['conversation.messages', 'support.messages', 'community.messages', 'delivery.keys'];
    expect(lookups.map(({ find }) => find)).toEqual(collections);
  },
);

test('retries a transaction after a conflict without a label', async () => {
  const { say, id } = await team();
  for (const code of [112, 251, 246, 24]) {
    let failures = 0;
    proxy.rules.onCommand = (command) => {
      const isWrite = ['update', 'bulkWrite'].includes(nameOf(command));
      if (!isWrite || command['autocommit'] !== false || failures === 3) return undefined;
      failures += 1;
      return { ok: 0, code, errmsg: 'could not serialize access due to concurrent update' };
    };
    dataOf(await say(`conflict ${code}`));
    expect(failures).toBe(3);
  }
  expect(await environment.models.Message.countDocuments({ conversation_id: id })).toBe(4);
});

/** How a server answers that is not the primary any more, or shuts down. */
const stateChanges: readonly (readonly [code: number, codeName: string])[] = [
  [10_107, 'NotWritablePrimary'],
  [91, 'ShutdownInProgress'],
  [189, 'PrimarySteppedDown'],
  [11_600, 'InterruptedAtShutdown'],
  [11_602, 'InterruptedDueToReplStateChange'],
  [13_435, 'NotPrimaryNoSecondaryOk'],
];

/** Refuses the first command of a kind, with the labels that MongoDB gives. */
function refuseFirst([code, codeName]: readonly [number, string], isOfKind: (command: Document) => boolean) {
  const state = { refused: 0 };
  proxy.rules.onCommand = (command) => {
    if (state.refused > 0 || !isOfKind(command)) return undefined;
    state.refused += 1;
    const isInTransaction = command['autocommit'] === false && nameOf(command) !== 'commitTransaction';
    const isWrite = command['txnNumber'] !== undefined;
    const errorLabels = isInTransaction ? ['TransientTransactionError'] : isWrite ? ['RetryableWriteError'] : [];
    return { ok: 0, code, codeName, errmsg: 'not primary', errorLabels };
  };
  return state;
}

test.each(stateChanges)(
  'repeats reads and writes, in transactions and outside, after code %d (%s)',
  async (...change) => {
    const { a, b, id, say } = await team();
    const { a: c, conversationId } = await talkInSupport(environment);
    const isIn = (command: Document): boolean => command['autocommit'] === false;
    const kinds: Record<string, [(command: Document) => boolean, () => Promise<unknown>]> = {
      'a read': [(command) => nameOf(command) === 'find' && !isIn(command), () => b.ask('list_conversation', {})],
      'an aggregation': [
        (command) => nameOf(command) === 'aggregate' && !isIn(command),
        () => b.ask('list_message', { conversation_id: id }),
      ],
      'a write': [
        (command) => nameOf(command) === 'insert' && !isIn(command),
        () => c.ask('send_message', { conversationId, content: 'once', clientMessageId: `c ${change[0]}` }),
      ],
      'a read in a transaction': [(command) => nameOf(command) === 'find' && isIn(command), () => say('1')],
      'a write in a transaction': [(command) => nameOf(command) === 'insert' && isIn(command), () => say('2')],
      'a commit': [(command) => nameOf(command) === 'commitTransaction', () => say('3')],
    };
    for (const [kind, [isOfKind, work]] of Object.entries(kinds)) {
      const state = refuseFirst(change, isOfKind);
      expect([kind, await work(), state.refused]).toMatchObject([kind, { success: true }, 1]);
      proxy.rules = {};
    }
    expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(1);
    expect(
      (await environment.models.Message.find({ conversation_id: id }).lean()).map(({ UUID }) => UUID).sort(),
    ).toEqual(['1', '2', '3']);
    const { conversation } = dataOf(await b.ask('get_conversation_by_id', { conversation_id: id }));
    expect(conversation.unread_count).toBe(3);
    expect(dataOf(await a.ask('get_conversation_by_id', { conversation_id: id })).conversation.unread_count).toBe(0);
  },
);

test.each([
  [11_601, 'Interrupted'],
  [237, 'CursorKilled'],
  [43, 'CursorNotFound'],
])('what the server has ended with code %d (%s) is UNAVAILABLE', async (code, codeName) => {
  const { b } = await team();
  proxy.rules.onCommand = (command) =>
    READS.has(nameOf(command)) ? { ok: 0, code, codeName, errmsg: 'operation was interrupted' } : undefined;
  expect(await b.ask('list_conversation', {})).toMatchObject({ success: false, message: 'UNAVAILABLE' });
});

test('sends a message whose commit was done and ended by an operator', async () => {
  const { b, id, say } = await team();
  let ended = 0;
  proxy.rules.onReply = (reply, command) => {
    if (nameOf(command) !== 'commitTransaction' || ended > 0) return reply;
    ended += 1;
    return { ok: 0, code: 11_601, codeName: 'Interrupted', errmsg: 'operation was interrupted' };
  };
  expect(await say('once')).toMatchObject({ success: false, message: 'UNAVAILABLE' });
  expect(await b.next('message')).toMatchObject([{ data: 'said once' }]);
  expect(await environment.models.Message.countDocuments({ conversation_id: id })).toBe(1);
});

test('repeats all writes that are in flight when the server is lost, in transactions and outside', async () => {
  /** Loses the replies to the inserts of two callers, when both have been done. */
  const loseBoth = (isInTransaction: boolean): { lost: number } => {
    const state = { lost: 0 };
    let resolve = (): void => undefined;
    const bothDone = new Promise<void>((done) => {
      resolve = done;
    });
    proxy.rules.onReply = async (reply, command) => {
      if (nameOf(command) !== 'insert' || (command['autocommit'] === false) !== isInTransaction) return reply;
      state.lost += 1;
      if (state.lost > 2) return reply;
      if (state.lost === 2) resolve();
      await bothDone;
      return 'cut';
    };
    return state;
  };
  const supports = [await talkInSupport(environment), await talkInSupport(environment)];
  const outside = loseBoth(false);
  const sent = await Promise.all(
    supports.map(({ a, conversationId }) => a.ask('send_message', { conversationId, content: 'once' })),
  );
  expect([sent.map(({ success }) => success), outside.lost > 2]).toEqual([[true, true], true]);
  proxy.rules = {};
  const teams = [await team(), await team()];
  const inside = loseBoth(true);
  const said = await Promise.all(teams.map(({ say }) => say('once')));
  expect([said.map(({ success }) => success), inside.lost > 2]).toEqual([[true, true], true]);
  proxy.rules = {};
  for (const { conversationId } of supports) {
    expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(1);
  }
  for (const { id } of teams) expect(await environment.models.Message.countDocuments({ conversation_id: id })).toBe(1);
});

test('does not acknowledge writes without a majority, and stores a resent message once', async () => {
  const { say, id } = await team();
  const { a, conversationId } = await talkInSupport(environment);
  const message = { conversationId, content: 'hello', clientMessageId: 'c2' };
  // How a server reports that the time of the operation was up before a majority had it.
  const noMajority = { code: 50, codeName: 'MaxTimeMSExpired', errmsg: 'operation exceeded time limit' };
  proxy.rules.onReply = (reply, command) =>
    (WRITES.has(nameOf(command)) && command['autocommit'] !== false) || nameOf(command) === 'commitTransaction'
      ? { ...reply, writeConcernError: noMajority }
      : reply;
  expect(await say('w')).toMatchObject({ success: false, message: 'UNAVAILABLE' });
  expect(await a.ask('send_message', message)).toMatchObject({ success: false, code: 'UNAVAILABLE' });
  expect((await emitOnce('no majority'))?.status).toBe(503);
  proxy.rules = {};
  dataOf(await say('w'));
  dataOf(await a.ask('send_message', message));
  expect((await emitOnce('no majority'))?.status).toBe(200);
  expect(await environment.models.Message.countDocuments({ conversation_id: id })).toBe(1);
  expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(1);
});

test('reports the database as unavailable when a read or write times out', async () => {
  const { a, say } = await team();
  proxy.rules.onCommand = (command) =>
    READS.has(nameOf(command)) || WRITES.has(nameOf(command))
      ? { ok: 0, code: 50, codeName: 'MaxTimeMSExpired', errmsg: 'operation exceeded time limit' }
      : undefined;
  expect(await say('slow')).toMatchObject({ success: false, message: 'UNAVAILABLE' });
  expect(await a.ask('list_conversation', {})).toMatchObject({ success: false, message: 'UNAVAILABLE' });
  expect((await emitOnce('slow'))?.status).toBe(503);
});

test('stays consistent on a slow connection with interruptions', async () => {
  const { say, id } = await team();
  let replies = 0;
  proxy.rules.onReply = async (reply) => {
    replies += 1;
    await new Promise(setImmediate);
    // Before the driver has it: the command has been run.
    return replies % 40 === 0 ? 'cut' : reply;
  };
  const sent = Array.from({ length: 40 }, (_, n) => `cut ${n}`);
  const ids = new Set<string>();
  for (const UUID of sent) {
    for (;;) {
      const answer = await say(UUID);
      if (answer.success === true) {
        ids.add(answer.data.message._id);
        break;
      }
      expect(answer.message).toBe('UNAVAILABLE');
    }
  }
  proxy.rules = {};
  const stored = await environment.models.Message.find({ conversation_id: id }).lean();
  expect(stored.map(({ UUID }) => UUID).sort()).toEqual(sent.sort());
  expect(new Set(stored.map(({ _id }) => String(_id)))).toEqual(ids);
});

test('a start without the right to list indexes says which role is needed', async () => {
  const empty = await startEmbeddedDatabase();
  onTestFinished(() => empty.stop());
  const errmsg = 'not authorized on gs to execute command { listIndexes: "revocations", lsid: { id: 1 } }';
  const refusing = await startMongoProxy(empty.url, {
    onCommand: (command) =>
      nameOf(command) === 'listIndexes' ? { ok: 0, code: 13, codeName: 'Unauthorized', errmsg } : undefined,
  });
  onTestFinished(() => refusing.close());
  await expect(startGateway({ MONGODB_URL: refusing.url() })).rejects.toMatchObject({
    exitCode: exitCodes.MONGODB,
    message:
      'MongoDB cannot be used: not authorized on gs to execute command listIndexes. ' +
      'The user needs the role readWrite on the database of MONGODB_URL',
  });
});
