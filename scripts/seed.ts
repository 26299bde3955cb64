import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type AnyBulkWriteOperation, type Connection, createConnection, type Model } from 'mongoose';
import { defineModels } from '#shared/models/index.js';
import { type Config, readConfig } from '../src/config.js';
import { startEmbedded } from '../src/embedded/index.js';
import { addressOf, toUrl } from '../src/embedded/process/address.js';
import { embeddedDatabase } from '../src/platform/mongo/connect.js';
import { readArguments } from './arguments.js';
import { people, toDocuments } from './demo-account.js';
import { createSignToken } from './sign-token.js';

const USAGE = `Stores a demo account in the database of the gateway, whether it runs or not, and prints a token for each of its users.
Existing documents are kept.

  npm run --silent seed
`;

const TOKEN_LIFETIME = '8h';
/** A local database answers at once or not at all. */
const SELECTION_TIMEOUT_MS = 2000;

interface Database {
  readonly connection: Connection;
  close(): Promise<void>;
}

const connect = (url: string): Promise<Connection> =>
  createConnection(url, { autoIndex: false, serverSelectionTimeoutMS: SELECTION_TIMEOUT_MS }).asPromise();

/** The database of the running gateway, or else one that is started here temporarily. */
async function openDatabase({ mongodbUrl, directory }: Config['storage']): Promise<Database> {
  if (mongodbUrl !== undefined) return toDatabase(await connect(mongodbUrl));
  const path = resolve(directory, 'db');
  const address = addressOf(path);
  if ('path' in address && existsSync(address.path)) {
    // A socket without a listener remains from a killed process.
    const running = await connect(toUrl(address, embeddedDatabase)).catch(() => undefined);
    if (running !== undefined) return toDatabase(running);
  }
  const embedded = await startEmbedded({ directory: join(directory, 'db'), database: embeddedDatabase });
  return toDatabase(await connect(embedded.url), () => embedded.stop());
}

const toDatabase = (connection: Connection, stop: () => Promise<void> = async () => {}): Database => ({
  connection,
  async close() {
    await connection.close();
    await stop();
  },
});

/** @returns the number of new documents */
async function store(connection: Connection): Promise<number> {
  const models = defineModels(connection);
  let stored = 0;
  for (const [name, documents] of Object.entries(toDocuments(Date.now()))) {
    const model = models[name as keyof typeof models] as unknown as Model<object>;
    const operations = documents.map(
      ({ _id, ...document }): AnyBulkWriteOperation => ({
        updateOne: { filter: { _id }, update: { $setOnInsert: document }, upsert: true },
      }),
    );
    stored += (await model.bulkWrite(operations, { timestamps: false })).upsertedCount;
  }
  return stored;
}

async function main(): Promise<void> {
  readArguments(USAGE, {});
  const config = readConfig(process.env, '.env');
  const signToken = await createSignToken(config);
  const database = await openDatabase(config.storage);
  const stored = await store(database.connection).finally(() => database.close());
  process.stdout.write(stored === 0 ? 'The demo account already exists.\n' : `Stored ${stored} documents.\n`);
  for (const { _id, account, name } of people) {
    const token = signToken({ uid: _id, account_id: account, scope: 'conversation' }, TOKEN_LIFETIME);
    process.stdout.write(`\n${name}, user ${_id} of account ${account}:\n${token}\n`);
  }
  process.stdout.write(`
The tokens hold for ${TOKEN_LIFETIME}. Connect to /v1/conversation with one and try, for example:
  list_conversation    { "search": "launch" }
  channel              {}
  conversation_filter  { "status": "snoozed" }
  prospect_list_conversation {}
  message              { "conversation_id": "<_id>", "data": "Hello" }
`);
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
