import { type Connection, createConnection, Types } from 'mongoose';
import { defineModels, type Models } from '#shared/models/index.js';
import type { Overrides } from '../../src/app/base.js';
import { type ClientOptions, connect, type TestClient } from './client.js';
import { startDatabase, survivingOptions, type TestDatabase } from './database.js';
import { startGateway, type TestGateway } from './gateway.js';
import { type MongoProxy, startMongoProxy } from './mongo-proxy.js';
import { startRedis, type TestRedis } from './redis-server.js';

/** A user of the platform, in the database. */
export interface TestUser {
  readonly id: string;
  readonly accountId: string;
  readonly name: string;
}

type Settings = Readonly<Record<string, string>>;

/** What to start. */
export interface EnvironmentOptions {
  /** Number of gateways; 1 by default. */
  readonly nodes?: number;
  /** Whether there is a Redis; absent: for two nodes or more. */
  readonly hasRedis?: boolean;
  /** Instead of a new database. It ends with the environment all the same. */
  readonly database?: TestDatabase;
  /** Each node reaches the database through a proxy of its own, with these options in the URL. */
  readonly proxyOptions?: string;
  /** Settings of every node. */
  readonly env?: Settings;
  readonly overrides?: Overrides;
  /** Settings of one node. */
  readonly nodeOptions?: (node: number) => { overrides?: Overrides; env?: Settings };
}

/** Gateways on one database, with what they need. */
export interface TestEnvironment {
  readonly nodes: readonly TestGateway[];
  node(index: number): TestGateway;
  readonly database: TestDatabase;
  /** @throws Error without a Redis */
  redis(): TestRedis;
  /** Between each node and the database; empty without proxies. */
  readonly proxies: readonly MongoProxy[];
  /** @throws Error without proxies */
  proxy(node?: number): MongoProxy;
  readonly connection: Connection;
  readonly models: Models;
  /** The settings that every node has, for one more. */
  readonly env: Settings;
  /** Starts one more gateway on the same database and Redis. It ends with the environment. */
  startNode(env?: Settings, overrides?: Overrides): Promise<TestGateway>;
  /** Creates users of one new account. */
  people<const Names extends readonly string[]>(...names: Names): Promise<{ [Index in keyof Names]: TestUser }>;
  /** Connects a user to a node. */
  open(user: TestUser, options?: ClientOptions & { node?: number }): Promise<TestClient>;
  /** Runs a step on close, before everything that was started earlier ends. */
  defer(step: () => unknown): void;
  close(): Promise<void>;
}

/** Starts gateways with a database, and a Redis when they are several. */
export async function createTestEnvironment(options: EnvironmentOptions = {}): Promise<TestEnvironment> {
  const { nodes = 1, hasRedis = nodes > 1, env: settings, overrides, nodeOptions, proxyOptions } = options;
  const steps: (() => unknown)[] = [];
  const defer = (step: () => unknown): void => void steps.push(step);

  const [database, redis] = await Promise.all([
    options.database ?? startDatabase(),
    hasRedis ? startRedis() : undefined,
  ]);
  defer(() => Promise.all([database.stop(), redis?.dispose()]));
  const connection = await createConnection(database.url, { ...survivingOptions, autoIndex: false }).asPromise();
  defer(() => connection.close());
  const models = defineModels(connection);
  const env = {
    MONGODB_URL: database.url,
    EVENT_LIMIT: '1000000',
    ...(redis === undefined ? {} : { REDIS_URL: redis.url }),
    ...settings,
  };
  const startNode = async (own?: Settings, replaced?: Overrides): Promise<TestGateway> => {
    const gateway = await startGateway({ ...env, ...own }, { ...overrides, ...replaced });
    defer(() => gateway.close());
    return gateway;
  };

  const gateways: TestGateway[] = [];
  const proxies: MongoProxy[] = [];
  for (let node = 0; node < nodes; node += 1) {
    const own = nodeOptions?.(node);
    const proxied: Record<string, string> = {};
    if (proxyOptions !== undefined) {
      const proxy = await startMongoProxy(database.url);
      defer(() => proxy.close());
      proxies.push(proxy);
      proxied['MONGODB_URL'] = proxy.url(proxyOptions);
    }
    gateways.push(await startNode({ ...proxied, ...own?.env }, own?.overrides));
  }
  const nodeAt = (index: number): TestGateway => found(gateways[index], `node ${index}`);

  return {
    nodes: gateways,
    database,
    proxies,
    connection,
    models,
    env,
    startNode,
    people: toPeople(models),
    defer,
    node: nodeAt,
    proxy: (node = 0) => found(proxies[node], `proxy ${node}`),
    redis: () => found(redis, 'Redis'),
    async open(user, { node = 0, ...clientOptions } = {}) {
      const client = await connect(nodeAt(node), {
        namespace: '/v1/conversation',
        claims: { uid: user.id, account_id: user.accountId },
        ...clientOptions,
      });
      defer(() => client.close());
      return client;
    },
    async close() {
      for (const step of steps.splice(0).reverse()) await step();
    },
  };
}

function found<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`there is no ${name}`);
  return value;
}

const toPeople =
  ({ User }: Models): TestEnvironment['people'] =>
  async (...names) => {
    const account = new Types.ObjectId();
    const users = names.map((name) => ({
      _id: new Types.ObjectId(),
      account,
      name,
      email: `${name.toLowerCase()}@example.com`,
      image: `https://example.com/${name.toLowerCase()}.png`,
    }));
    await User.insertMany(users);
    return users.map(({ _id, name }) => ({ id: String(_id), accountId: String(account), name })) as never;
  };

/** The `data` of an answer. @throws Error for a failure */
// biome-ignore lint/suspicious/noExplicitAny: a test looks into an answer without declaring its form again
export function dataOf(answer: any): any {
  if (answer.success !== true) throw new Error(JSON.stringify(answer));
  return answer.data;
}
