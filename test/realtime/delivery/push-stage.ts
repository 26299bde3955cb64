import { createConnection, Types } from 'mongoose';
import { defineModels, type Models } from '#shared/models/index.js';
import { createTestClock, type TestClock } from '../../support/clock.js';
import { startDatabase } from '../../support/database.js';
import { startFcm, type TestFcm } from '../../support/fcm.js';
import { startGateway, type TestGateway } from '../../support/gateway.js';
import { type MongoProxy, startMongoProxy } from '../../support/mongo-proxy.js';
import { startRedis } from '../../support/redis-server.js';

/** Queries of the database after which time goes on. */
const LOOKS = 200;

/** Two gateways with push, on one database, each through a proxy of its own, and one Redis. */
export interface PushStage {
  readonly nodes: readonly [TestGateway, TestGateway];
  /** What the nodes reach the database through. */
  readonly proxies: readonly [MongoProxy, MongoProxy];
  readonly fcm: TestFcm;
  readonly clock: TestClock;
  readonly models: Models;
  /** What a gateway of this stage needs, be it in a process of its own. */
  readonly env: Record<string, string>;
  /** Registers devices of a user. */
  register(userId: string | Types.ObjectId, ...tokens: string[]): Promise<void>;
  tokensOf(userId: string | Types.ObjectId): Promise<string[]>;
  /** Sends a durable event with push. */
  emit(user: string, payload: unknown, query?: string): Promise<{ id: string; state: string }>;
  stateOf(id: string): Promise<string>;
  /** Pushes that are due or will be. */
  waiting(): Promise<number>;
  /** Waits until no push is due and none will be: everything that was to be sent has been. */
  settled(): Promise<void>;
  /** The counter of pushes with one result, on both nodes. */
  counted(result: string): Promise<number>;
  close(): Promise<void>;
}

export async function openPushStage(): Promise<PushStage> {
  const [redis, database, fcm] = await Promise.all([startRedis(), startDatabase(), startFcm()]);
  const connection = await createConnection(database.url, { autoIndex: false }).asPromise();
  const models = defineModels(connection);
  const clock = createTestClock();
  const env = { REDIS_URL: redis.url, MONGODB_URL: database.url, EVENT_LIMIT: '100000', ...fcm.env };
  const proxies = [await startMongoProxy(database.url), await startMongoProxy(database.url)] as const;
  const start = (proxy: MongoProxy) =>
    startGateway({ ...env, MONGODB_URL: proxy.url() }, { clock, pushAgent: fcm.agent });
  const [a, b] = [await start(proxies[0]), await start(proxies[1])];

  const waiting = () => models.DeliveryPush.countDocuments({});
  /**
   * Waits for what pushes do. When nothing comes of many looks, a second passes: a push that is claimed before its message
   * is stored is put off by that time.
   */
  const patiently = async (condition: () => Promise<boolean>): Promise<void> => {
    for (let looks = 1; !(await condition()); looks += 1) if (looks % LOOKS === 0) clock.advance(1000);
  };
  const has = (token: string, count: number) =>
    patiently(async () => {
      await waiting();
      return fcm.to(token).length >= count;
    });

  return {
    nodes: [a, b],
    proxies,
    ...{ fcm: { ...fcm, has }, clock, models, env, waiting },
    settled: () => patiently(async () => (await waiting()) === 0),
    async register(userId, ...tokens) {
      await models.FcmToken.insertMany([{ account_id: new Types.ObjectId(), user_id: userId, web_token: tokens }]);
    },
    async tokensOf(userId) {
      const found = await models.FcmToken.find({ user_id: userId }).lean();
      return found.flatMap(({ web_token }) => web_token);
    },
    async emit(user, payload, query = '&push_after=5000') {
      const { status, json } = await a.call('POST', `/emit/${user}/m?push=true${query}`, JSON.stringify(payload));
      if (status !== 200) throw new Error(JSON.stringify(json));
      return json.data;
    },
    stateOf: async (id) => (await b.call('GET', `/emit/${id}`)).json.data.state,
    async counted(result) {
      let sum = 0;
      for (const node of [a, b]) {
        const { text } = await node.call('GET', '/metrics');
        sum += Number(new RegExp(`^gateway_pushes_total\\{result="${result}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
      }
      return sum;
    },
    async close() {
      await Promise.all([a.close(), b.close()]);
      await connection.close();
      await Promise.all(proxies.map((proxy) => proxy.close()));
      await Promise.all([redis.dispose(), database.stop(), fcm.close()]);
    },
  };
}
