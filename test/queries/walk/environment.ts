import { ConnectionString } from 'mongodb-connection-string-url';
import { Types } from 'mongoose';
import type { Contract, Route } from '#shared/contracts/contract.js';
import type { Models } from '#shared/models/index.js';
import { openWebsite } from '../../integrations/push-sites/website.js';
import { type ClientOptions, connect, type TestClient } from '../../support/client.js';
import { createTestClock, type TestClock } from '../../support/clock.js';
import { createTestEnvironment } from '../../support/environment.js';
import { startFcm } from '../../support/fcm.js';
import { signToken, type TestGateway } from '../../support/gateway.js';
import { startMongos } from '../mongos.js';
import { type Recorder, recordCommands } from '../recorder.js';

/** A gateway whose database commands are recorded, for a walk through all of its features. */
export interface WalkEnvironment {
  readonly gateway: TestGateway;
  readonly models: Models;
  readonly clock: TestClock;
  readonly recorder: Recorder;
  /** Events and routes that were called successfully: `contract event` and `contract route`. */
  readonly covered: ReadonlySet<string>;
  /** The push site. */
  readonly site: { readonly name: string; readonly key: string };
  /** Makes a user. */
  user(fields?: object): Promise<Types.ObjectId>;
  /** Connects a user. */
  open(user: Types.ObjectId | string, options?: ClientOptions): Promise<TestClient>;
  /** Sends an event and returns the data of its answer. @throws Error for a failure */
  // biome-ignore lint/suspicious/noExplicitAny: a walk looks into an answer without declaring its form again
  ask(contract: Contract, client: TestClient, event: string, ...args: unknown[]): Promise<any>;
  /** Calls a route and returns the data of its answer. @throws Error for a failure */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  call(contract: Contract, name: string, request?: RouteCall): Promise<any>;
  close(): Promise<void>;
}

/** What a call of a route is made with. */
interface RouteCall {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The user who calls. */
  readonly as?: Types.ObjectId;
}

const APP_NAME = 'walk';
/** The account of all users of the walk. */
export const account = new Types.ObjectId();

/** Starts a gateway with every feature enabled. @param delayMs how long each of its commands waits before it is sent */
export async function createWalkEnvironment(delayMs?: () => number): Promise<WalkEnvironment> {
  const [fcm, website] = await Promise.all([startFcm(), openWebsite()]);
  const recorder = recordCommands(APP_NAME, { delayMs });
  const clock = createTestClock();
  const site = { name: 'news', key: 'key of news' };
  website.rooms.set('reader', ['user_reader', 'hall']);
  const environment = await createTestEnvironment({ nodes: 0 });
  const { models } = environment;
  // The gateway takes it for a cluster of shards, which refuses what such a cluster refuses.
  const mongos = await startMongos(environment.database.url);
  environment.defer(() => mongos.close());
  const url = new ConnectionString(mongos.url());
  url.searchParams.set('appName', APP_NAME);
  const gateway = await environment.startNode(
    {
      MONGODB_URL: url.toString(),
      MAILBOX_MAX: '3',
      DEVICE_TTL: '3600',
      ...fcm.env,
      SITE_NAME: site.name,
      AUTH_URL: `${website.url}/rooms`,
      API_KEY: site.key,
      USER_ROOM_PREFIX: 'user_',
    },
    { clock, pushAgent: fcm.agent },
  );
  const covered = new Set<string>();

  return {
    gateway,
    models,
    clock,
    recorder,
    covered,
    site,
    async user(fields = {}) {
      const _id = new Types.ObjectId();
      await models.User.collection.insertOne({ _id, account, name: 'Ann', ...fields });
      return _id;
    },
    async open(user, options = {}) {
      const claims = { uid: String(user), account_id: String(account) };
      const client = await connect(gateway, { namespace: '/', claims, ...options });
      environment.defer(() => client.close());
      return client;
    },
    async ask({ name }, client, event, ...args) {
      const answer = await client.ask(event, ...args);
      if (answer?.success !== true) throw new Error(`${name} ${event}: ${JSON.stringify(answer)}`);
      covered.add(`${name} ${event}`);
      return answer.data ?? answer.message;
    },
    async call({ name: contract, routes }, name, { params = {}, query = {}, body, headers = {}, as } = {}) {
      const { method, path } = routes[name] as Route;
      const filled = path.replaceAll(/:(\w+)/g, (_, key: string) => encodeURIComponent(params[key] ?? ''));
      const search = Object.keys(query).length === 0 ? '' : `?${new URLSearchParams(query)}`;
      const own =
        as === undefined ? {} : { 'x-api-key': '', authorization: `Bearer ${signToken({ uid: String(as) })}` };
      const answer = await gateway.call(method.toUpperCase(), filled + search, body, { ...own, ...headers });
      if (answer.status >= 300) throw new Error(`${contract} ${name}: ${answer.status} ${answer.text}`);
      covered.add(`${contract} ${name}`);
      return answer.json?.data;
    },
    async close() {
      await environment.close();
      recorder.stop();
      await Promise.all([fcm.close(), website.close()]);
    },
  };
}
