import { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { createTestClock, type TestClock } from '../../../support/clock.js';
import { createTestEnvironment } from '../../../support/environment.js';
import { startFcm, type TestFcm } from '../../../support/fcm.js';
import type { TestGateway } from '../../../support/gateway.js';
import type { MongoProxy } from '../../../support/mongo-proxy.js';
import { until } from '../../../support/until.js';

/** Two gateways with push, each with a proxy in front of the database. */
export interface PushEnvironment {
  readonly nodes: readonly [TestGateway, TestGateway];
  /** Between each node and the database. */
  readonly proxies: readonly [MongoProxy, MongoProxy];
  readonly fcm: TestFcm;
  readonly clock: TestClock;
  readonly models: Models;
  /** The settings of both, for a gateway in a process of its own. */
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

export async function createPushEnvironment(): Promise<PushEnvironment> {
  const fcm = await startFcm();
  const clock = createTestClock();
  const overrides = { clock, pushAgent: fcm.agent };
  const environment = await createTestEnvironment({ nodes: 2, proxyOptions: '', env: fcm.env, overrides });
  environment.defer(() => fcm.close());
  const { models, env } = environment;
  const [a, b] = [environment.node(0), environment.node(1)];

  const waiting = () => models.DeliveryPush.countDocuments({});
  return {
    nodes: [a, b],
    proxies: [environment.proxy(0), environment.proxy(1)],
    fcm,
    clock,
    models,
    env,
    waiting,
    settled: () => until(async () => (await waiting()) === 0),
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
    close: environment.close,
  };
}
