import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createConnectionType } from '../../../src/library-internals/mongodb-connection.js';
import { connectMongo, type Mongo } from '../../../src/platform/mongo/connect.js';
import { type EmbeddedTestDatabase, startEmbeddedDatabase } from '../../support/database.js';
import { type Document, type MongoProxy, nameOf, startMongoProxy } from '../../support/mongo-proxy.js';
import { freePort } from '../../support/redis-server.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { until } from '../../support/until.js';

const PASSWORD = 'hunter2-secret';
const limits = { poolMax: 10, selectionTimeoutMs: 15_000, operationTimeoutMs: 20_000 };

let database: EmbeddedTestDatabase;
let proxy: MongoProxy;
const logged: string[] = [];
const opened: Mongo[] = [];

beforeAll(async () => {
  database = await startEmbeddedDatabase();
  proxy = await startMongoProxy(database.url);
});
afterEach(async () => {
  for (const mongo of opened.splice(0)) await mongo.close();
  proxy.rules = {};
  logged.length = 0;
});
afterAll(async () => {
  await proxy.close();
  await database.stop();
});

/** Connects as a gateway does at its start. */
async function start(mongodbUrl: string, startupTimeoutMs = 600): Promise<Mongo> {
  const logger = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) });
  const mongo = await connectMongo({
    ...limits,
    createConnectionType,
    mongodbUrl,
    directory: database.directory,
    startupTimeoutMs,
    logger,
  });
  opened.push(mongo);
  return mongo;
}

/** The message with which a start fails. */
const failureOf = (mongodbUrl: string, startupTimeoutMs?: number): Promise<string> =>
  start(mongodbUrl, startupTimeoutMs).then(
    () => expect.fail('it started'),
    (error: Error) => error.message,
  );

/** The same, when a server is there to answer: on a loaded machine it may not have, so more time is given until it has. */
async function failureOfServer(mongodbUrl: string): Promise<string> {
  for (let timeoutMs = 600; ; timeoutMs *= 2) {
    const failure = await failureOf(mongodbUrl, timeoutMs);
    if (!failure.includes('no answer')) return failure;
  }
}

/** Changes what the server says of itself. */
const pose = (fields: Document) => (reply: Document) =>
  reply['maxWireVersion'] === undefined
    ? reply
    : Object.fromEntries(Object.entries({ ...reply, ...fields }).filter(([, value]) => value !== undefined));

const notReplicaSet = {
  setName: undefined,
  hosts: undefined,
  me: undefined,
  primary: undefined,
  setVersion: undefined,
};
const noTransactions = (command: Document) =>
  command['txnNumber'] === undefined
    ? undefined
    : {
        ok: 0,
        code: 20,
        codeName: 'IllegalOperation',
        errmsg: 'Transaction numbers are only allowed on a replica set member or mongos',
      };

test('starts on a replica set given by its hosts', async () => {
  const { connection } = await start(`mongodb://${proxy.host},${proxy.host}/gs?replicaSet=embedded`, 120_000);
  expect(await connection.collection('x').countDocuments()).toBe(0);
});

test('refuses a standalone mongod, with the remedy', async () => {
  proxy.rules = { onReply: pose(notReplicaSet), onCommand: noTransactions };
  for (const options of ['', 'directConnection=true']) {
    expect(await failureOf(proxy.url(options), 120_000)).toBe(
      `MongoDB at ${proxy.host} has no transactions, because it is not a replica set: start mongod with --replSet rs0, ` +
        'run rs.initiate() in mongosh once, and add replicaSet=rs0 to MONGODB_URL',
    );
  }
});

test('refuses an engine that ignores transactions', async () => {
  proxy.rules.onCommand = (command) =>
    nameOf(command) === 'commitTransaction'
      ? { ok: 0, code: 59, codeName: 'CommandNotFound', errmsg: 'no such command: "commitTransaction"' }
      : undefined;
  expect(await failureOf(proxy.url(), 120_000)).toBe(
    `The database at ${proxy.host} has no transactions: the gateway needs MongoDB, or another engine that has them`,
  );
});

test('names the replica set that the server does not belong to', async () => {
  const failure = await failureOfServer(proxy.url('replicaSet=other'));
  expect(failure).toContain('no server there is of the replica set other, see replicaSet in MONGODB_URL');
});

test('asks whether a server that does not answer uses TLS', async () => {
  expect(await failureOf(proxy.url('tls=true'))).toMatch(/Is it running, does it use TLS, and is MONGODB_URL right\?$/);
});

test('accepts an engine with transactions that does not report a replica set', async () => {
  proxy.rules.onReply = pose(notReplicaSet);
  const { connection } = await start(proxy.url(), 120_000);
  expect(await connection.collection('x').countDocuments()).toBe(0);
});

test.each([
  ['5.0.31', 13],
  ['4.2.24', 8],
  ['3.6.23', 6],
])('refuses MongoDB %s', async (version, maxWireVersion) => {
  const asOld = pose({ maxWireVersion });
  proxy.rules.onReply = (reply, command) => (nameOf(command) === 'buildInfo' ? { ...reply, version } : asOld(reply));
  const failure = await failureOf(proxy.url('directConnection=true'), 120_000);
  // The driver itself does not talk to the oldest, and knows their wire version only.
  const words =
    maxWireVersion >= 9
      ? `MongoDB ${version} at ${proxy.host} is too old: the gateway needs 6.0 or newer`
      : `MongoDB at ${proxy.host} is too old or too new: Server at ${proxy.host} reports maximum wire version ${maxWireVersion}`;
  expect(failure).toContain(words);
});

test.each([
  ['6.0.0', 17],
  ['7.0.14', 21],
  ['8.0.4', 25],
  ['8.2.1', 27],
])('accepts MongoDB %s', async (version, maxWireVersion) => {
  const withWire = pose({ maxWireVersion });
  proxy.rules.onReply = (reply, command) => (nameOf(command) === 'buildInfo' ? { ...reply, version } : withWire(reply));
  const { connection } = await start(proxy.url('directConnection=true'), 120_000);
  expect(await connection.collection('x').countDocuments()).toBe(0);
});

test.each(['', 'directConnection=true', 'replicaSet=rs0'])(
  'reports a replica set that was not initiated (%s)',
  async (options) => {
    proxy.rules.onReply = pose({ ...notReplicaSet, isWritablePrimary: false, ismaster: false, isreplicaset: true });
    const failure = await failureOfServer(proxy.url(options));
    expect(failure).toContain(proxy.host);
    expect(failure).toContain('run rs.initiate() in mongosh once');
  },
);

test.each(['', 'directConnection=true'])(
  'waits for a primary, then reports that there is none (%s)',
  async (options) => {
    proxy.rules.onReply = pose({ isWritablePrimary: false, ismaster: false, secondary: true });
    const failure = await failureOfServer(proxy.url(options));
    expect(failure).toContain(proxy.host);
    expect(failure).toMatch(/a secondary, and there is no primary|is not the primary/);
  },
);

test('waits while a primary is being elected', async () => {
  const asSecondary = pose({ isWritablePrimary: false, ismaster: false, secondary: true });
  let looks = 0;
  proxy.rules.onReply = (reply) => {
    looks += 1;
    return looks < 6 ? asSecondary(reply) : reply;
  };
  const { connection } = await start(proxy.url(), 120_000);
  expect(await connection.collection('x').countDocuments()).toBe(0);
});

test('refuses wrong credentials at once, without the password', async () => {
  // The embedded database has no users: it answers as a server does to a wrong password, with code 18.
  const failure = await failureOf(`mongodb://ann:${PASSWORD}@${proxy.host}/gs?authSource=admin`, 120_000);
  expect(failure).toContain(`MongoDB at ${proxy.host} cannot be used: `);
  expect(failure + logged.join()).not.toContain(PASSWORD);
});

test('names the unreachable server in one line, without the password', async () => {
  const port = await freePort();
  const failure = await failureOf(
    `mongodb://ann:${PASSWORD}@127.0.0.1:${port}/gs?authSource=admin&replicaSet=rs0`,
    2600,
  );
  expect(failure).toBe(
    `MongoDB cannot be reached at 127.0.0.1:${port} (connect ECONNREFUSED 127.0.0.1:${port}). Is it running, and is MONGODB_URL right?`,
  );
  expect(logged).toHaveLength(1);
  expect(logged.join()).not.toContain(PASSWORD);
  expect(logged.join().length).toBeLessThan(500);
});

test('names a server whose host name cannot be resolved', async () => {
  const failure = await failureOf('mongodb+srv://ann:secret-word@gateway.invalid/gs');
  expect(failure).toMatch(/^MongoDB at gateway\.invalid cannot be used: .*_mongodb\._tcp\.gateway\.invalid/);
  expect(failure).not.toContain('secret-word');
});

test('a clock that differs from that of the server is logged', async () => {
  const mongo = await start(database.url, 60_000);
  const client = mongo.connection.getClient();
  const reply = { isWritablePrimary: true, localTime: new Date(Date.now() - 3_600_000) };
  for (let i = 0; i < 3; i += 1) client.emit('serverHeartbeatSucceeded', { reply } as never);
  expect(logged.join('')).toContain('the clock of this machine differs from that of the database');
});

test('a lost server is logged with the reason', async () => {
  const other = await startMongoProxy(database.url);
  await start(other.url('directConnection=true'), 60_000);
  await other.close();
  const lost = () => logged.find((line) => line.includes('dependency lost'));
  await until(() => lost() !== undefined);
  expect(JSON.parse(lost() ?? '')).toMatchObject({ dependency: 'mongo', reason: expect.stringMatching(/\S/) });
});

test.each([
  ['tlsCAFile', undefined, 'cannot be read: ENOENT'],
  ['tlsCAFile', 'no certificate', 'holds no valid certificate in PEM format'],
  ['tlsCRLFile', undefined, 'cannot be read: ENOENT'],
  ['tlsCertificateKeyFile', undefined, 'cannot be read: ENOENT'],
  ['tlsCertificateKeyFile', 'no key', 'does not hold a certificate and its key'],
])('names a %s that cannot be used at once', async (option, content, problem) => {
  const path = join(await temporaryDirectory(), 'file.pem');
  if (content !== undefined) await writeFile(path, content);
  // The time limit of the test is shorter.
  const failure = await failureOf(`mongodb://127.0.0.1:1/gs?tls=true&${option}=${encodeURIComponent(path)}`, 600_000);
  expect(failure).toContain(`${option} of MONGODB_URL: ${path} ${problem}`);
});
