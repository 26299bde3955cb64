import { createConnection, Types } from 'mongoose';
import { defineModels, type Models } from '#shared/models/index.js';
import type { Overrides } from '../../src/app.js';
import { type ClientOptions, connect, type TestClient } from '../support/client.js';
import { startDatabase, type TestDatabase } from '../support/database.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { startRedis } from '../support/redis-server.js';

/** A user of the platform, in the database. */
export interface TestUser {
  readonly id: string;
  readonly accountId: string;
  readonly name: string;
}

/** Gateways on one database that the test can look into. */
export interface Stage {
  readonly nodes: readonly TestGateway[];
  readonly models: Models;
  /** Makes users of one new account. */
  people<const Names extends readonly string[]>(...names: Names): Promise<{ [Index in keyof Names]: TestUser }>;
  /** Connects a user to a node. */
  open(user: TestUser, options?: ClientOptions & { node?: number }): Promise<TestClient>;
  close(): Promise<void>;
}

/** Starts `nodes` gateways; two or more share a Redis. */
export async function openStage({
  nodes = 1,
  overrides = {},
  env: settings = {},
  database: given,
  nodeOptions,
}: {
  nodes?: number;
  overrides?: Overrides;
  /** Settings of every gateway. */
  env?: Record<string, string>;
  /** Instead of one of its own, which ends with the stage. */
  database?: TestDatabase;
  /** What one gateway has of its own. */
  nodeOptions?: (node: number) => { overrides?: Overrides; env?: Record<string, string> };
} = {}): Promise<Stage> {
  const undo: (() => unknown)[] = [];
  const database = given ?? (await startDatabase());
  if (given === undefined) undo.push(() => database.stop());
  const connection = await createConnection(database.url, { autoIndex: false }).asPromise();
  undo.push(() => connection.close());
  const redis = nodes > 1 ? await startRedis() : undefined;
  if (redis !== undefined) undo.push(() => redis.dispose());
  const env = {
    MONGODB_URL: database.url,
    EVENT_LIMIT: '1000000',
    ...(redis === undefined ? {} : { REDIS_URL: redis.url }),
    ...settings,
  };
  const gateways: TestGateway[] = [];
  for (let node = 0; node < nodes; node += 1) {
    const own = nodeOptions?.(node);
    const gateway = await startGateway({ ...env, ...own?.env }, { ...overrides, ...own?.overrides });
    undo.push(() => gateway.close());
    gateways.push(gateway);
  }
  const models = defineModels(connection);
  const clients: TestClient[] = [];
  undo.push(() => {
    for (const client of clients) client.close();
  });

  return {
    nodes: gateways,
    models,
    async people<const Names extends readonly string[]>(...names: Names) {
      const accountId = new Types.ObjectId();
      const users = names.map((name) => ({
        _id: new Types.ObjectId(),
        account: accountId,
        name,
        email: `${name.toLowerCase()}@example.com`,
        image: `https://example.com/${name.toLowerCase()}.png`,
      }));
      await models.User.insertMany(users);
      const people = users.map(({ _id, name }) => ({ id: String(_id), accountId: String(accountId), name }));
      return people as { [Index in keyof Names]: TestUser };
    },
    async open(user, { node = 0, ...options } = {}) {
      const gateway = gateways[node];
      if (gateway === undefined) throw new Error(`there is no node ${node}`);
      const client = await connect(gateway, {
        namespace: '/v1/conversation',
        claims: { uid: user.id, account_id: user.accountId },
        ...options,
      });
      clients.push(client);
      return client;
    },
    async close() {
      for (const step of undo.splice(0).reverse()) await step();
    },
  };
}

/** The `data` of an answer. @throws Error for a failure */
// biome-ignore lint/suspicious/noExplicitAny: a test looks into an answer without declaring its form again
export function dataOf(answer: any): any {
  if (answer.success !== true) throw new Error(JSON.stringify(answer));
  return answer.data;
}
