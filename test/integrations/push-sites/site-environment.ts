import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Overrides } from '../../../src/app/base.js';
import type { TestDatabase } from '../../support/database.js';
import { createTestEnvironment } from '../../support/environment.js';
import type { TestGateway } from '../../support/gateway.js';
import type { TestRedis } from '../../support/redis-server.js';
import { openWebsite, type Website } from './website.js';

/** Sites as their websites know them. `news` has everything, `shop` no public channel, `plain` no users. */
export const news = { name: 'news', key: 'key of news' };
export const shop = { name: 'shop', key: '054321' };
export const plain = { name: 'plain', key: 'p' };

/** The website of all three sites, and the services of the gateways. */
export interface SiteEnvironment {
  readonly website: Website;
  readonly redis: TestRedis;
  /** The settings of every node. */
  readonly env: Readonly<Record<string, string>>;
  /** Starts a node. */
  start(env?: Record<string, string>, overrides?: Overrides): Promise<TestGateway>;
  close(): Promise<void>;
}

/** Starts a Redis, a database and a website for one test file. @param given instead of a new database */
export async function createSiteEnvironment(given?: TestDatabase): Promise<SiteEnvironment> {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  const website = await openWebsite();
  const SITES_FILE = join(directory, 'sites.yml');
  await writeFile(
    SITES_FILE,
    `news: &news
  authUrl: ${website.url}/rooms
  apiKey: key of news
  userRoomPrefix: user_
  updateUserUrl: ${website.url}/users/:id
  publicChannel: browse
shop:
  authUrl: ${website.url}/rooms
  authScheme: Token
  apiKey: 054321
  userRoomPrefix: user_
plain:
  authUrl: ${website.url}/rooms
  apiKey: p
`,
  );
  const database = given === undefined ? {} : { database: given };
  const environment = await createTestEnvironment({ nodes: 0, hasRedis: true, env: { SITES_FILE }, ...database });
  return {
    website,
    redis: environment.redis(),
    env: environment.env,
    start: environment.startNode,
    async close() {
      await environment.close();
      await website.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
