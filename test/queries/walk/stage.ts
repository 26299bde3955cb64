import { ConnectionString } from 'mongodb-connection-string-url';
import { createConnection, Types } from 'mongoose';
import type { Contract, Route } from '#shared/contracts/contract.js';
import { defineModels, type Models } from '#shared/models/index.js';
import { openWebsite } from '../../integrations/push-sites/website.js';
import { type ClientOptions, connect, type TestClient } from '../../support/client.js';
import { createTestClock, type TestClock } from '../../support/clock.js';
import { startDatabase } from '../../support/database.js';
import { startFcm } from '../../support/fcm.js';
import { signToken, startGateway, type TestGateway } from '../../support/gateway.js';
import { type Recorder, recordCommands } from '../recorder.js';

/** A gateway whose commands to the database are recorded, and what a walk through it needs. */
export interface WalkStage {
  readonly gateway: TestGateway;
  readonly models: Models;
  readonly clock: TestClock;
  readonly recorder: Recorder;
  /** What has been called with success: `contract event` and `contract route`. */
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
export interface RouteCall {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The user who calls. */
  readonly as?: Types.ObjectId;
}

const APP_NAME = 'walk';
/** The account of everybody on the walk. */
export const account = new Types.ObjectId();

/** Starts a gateway with everything that can be switched on. */
export async function openWalkStage(): Promise<WalkStage> {
  const [database, fcm, website] = await Promise.all([startDatabase(), startFcm(), openWebsite()]);
  const connection = await createConnection(database.url, { autoIndex: false }).asPromise();
  const models = defineModels(connection);
  const recorder = recordCommands(APP_NAME);
  const clock = createTestClock();
  const site = { name: 'news', key: 'key of news' };
  website.rooms.set('reader', ['user_reader', 'hall']);
  const url = new ConnectionString(database.url);
  url.searchParams.set('appName', APP_NAME);
  const gateway = await startGateway(
    {
      ...{ MONGODB_URL: url.toString(), EVENT_LIMIT: '100000', MAILBOX_MAX: '3', DEVICE_TTL: '3600', ...fcm.env },
      ...{ SITE_NAME: site.name, AUTH_URL: `${website.url}/rooms`, API_KEY: site.key, USER_ROOM_PREFIX: 'user_' },
    },
    { clock, pushAgent: fcm.agent },
  );
  const clients: TestClient[] = [];
  const covered = new Set<string>();

  return {
    ...{ gateway, models, clock, recorder, covered, site },
    async user(fields = {}) {
      const _id = new Types.ObjectId();
      await models.User.collection.insertOne({ _id, account, name: 'Ann', ...fields });
      return _id;
    },
    async open(user, options = {}) {
      const claims = { uid: String(user), account_id: String(account) };
      const client = await connect(gateway, { namespace: '/', claims, ...options });
      clients.push(client);
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
      for (const client of clients) client.close();
      await gateway.close();
      recorder.stop();
      await connection.close();
      await Promise.all([database.stop(), fcm.close(), website.close()]);
    },
  };
}
