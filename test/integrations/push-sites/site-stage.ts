import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Overrides } from '../../../src/app.js';
import { startDatabase, type TestDatabase } from '../../support/database.js';
import { startGateway, type TestGateway } from '../../support/gateway.js';
import { startRedis } from '../../support/redis-server.js';
import { openWebsite, type Website } from './website.js';

/** Sites as their websites know them. `news` has everything, `shop` no public channel, `plain` no users. */
export const news = { name: 'news', key: 'key of news' };
export const shop = { name: 'shop', key: '054321' };
export const plain = { name: 'plain', key: 'p' };

/** The website of all three sites, and what gateways stand on. */
export interface SiteStage {
  readonly website: Website;
  readonly redisUrl: string;
  /** What a node is started with. */
  readonly env: Readonly<Record<string, string>>;
  /** Starts a node. The caller stops it. */
  start(env?: Record<string, string>, overrides?: Overrides): Promise<TestGateway>;
  close(): Promise<void>;
}

/** Starts a Redis, a database and a website for one test file. @param given instead of a new database */
export async function openSiteStage(given?: TestDatabase): Promise<SiteStage> {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  const [redis, database, website] = await Promise.all([startRedis(), given ?? startDatabase(), openWebsite()]);
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
  const shared = { REDIS_URL: redis.url, MONGODB_URL: database.url, SITES_FILE, EVENT_LIMIT: '100000' };
  return {
    website,
    redisUrl: redis.url,
    env: shared,
    start: (env = {}, overrides = {}) => startGateway({ ...shared, ...env }, overrides),
    async close() {
      await website.close();
      await Promise.all([redis.dispose(), database.stop()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
