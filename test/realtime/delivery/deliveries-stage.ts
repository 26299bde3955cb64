import { createConnection } from 'mongoose';
import { expect } from 'vitest';
import { defineModels, type Models } from '#shared/models/index.js';
import { openWebsite, type Website } from '../../integrations/push-sites/website.js';
import { createTestClock, type TestClock } from '../../support/clock.js';
import { startDatabase } from '../../support/database.js';
import { startFcm, type TestFcm } from '../../support/fcm.js';
import { startGateway, type TestGateway } from '../../support/gateway.js';
import { startRedis } from '../../support/redis-server.js';

/** The push site of the stage. */
export const news = { name: 'news', key: 'key of news' };

/** What a device had to do with a message, as it is told. */
export interface Fate {
  deviceId: string | null;
  state: string | null;
  at: string | null;
  reason: string;
}

/** The answer to the question what became of the messages of a user. */
export interface Deliveries {
  messages: { id: string; event: string; namespace: string; createdAt: string; state: string; devices: Fate[] }[];
  devices: { deviceId: string; isConnected: boolean; namespaces: string[]; seenAt: string; waiting: number }[];
  next: string | null;
  keptForMs: number;
}

/** Two nodes by the real clock, and one by itself whose time is moved, each kind with a database of its own. */
export interface DeliveriesStage {
  readonly a: TestGateway;
  readonly b: TestGateway;
  /** Its presence has no lease that would run out while time stands still. */
  readonly alone: TestGateway;
  readonly clock: TestClock;
  readonly fcm: TestFcm;
  readonly website: Website;
  /** What the two nodes store, and what the one by itself does. */
  readonly models: Models;
  readonly modelsOfAlone: Models;
  close(): Promise<void>;
}

export async function openDeliveriesStage(): Promise<DeliveriesStage> {
  const [redis, shared, own, fcm, website] = await Promise.all([
    startRedis(),
    startDatabase(),
    startDatabase(),
    startFcm(),
    openWebsite(),
  ]);
  const connections = await Promise.all(
    [shared, own].map(({ url }) => createConnection(url, { autoIndex: false }).asPromise()),
  );
  const [models, modelsOfAlone] = connections.map(defineModels) as [Models, Models];
  const site = { SITE_NAME: news.name, AUTH_URL: `${website.url}/rooms`, API_KEY: news.key, USER_ROOM_PREFIX: 'user_' };
  const env = { MAILBOX_MAX: '600', EVENT_LIMIT: '100000', ...site };
  const clock = createTestClock();
  const node = { ...env, REDIS_URL: redis.url, MONGODB_URL: shared.url };
  const [a, b] = [await startGateway(node), await startGateway(node)];
  const alone = await startGateway({ ...env, MONGODB_URL: own.url, ...fcm.env }, { clock, pushAgent: fcm.agent });
  return {
    ...{ a, b, alone, clock, fcm, website, models, modelsOfAlone },
    async close() {
      await Promise.all([a, b, alone].map((gateway) => gateway.close()));
      await Promise.all(connections.map((connection) => connection.close()));
      await Promise.all([redis.dispose(), shared.stop(), own.stop(), fcm.close(), website.close()]);
    },
  };
}

/** Sends a durable event. @returns its id */
export async function send(gateway: TestGateway, path: string, payload: unknown = {}): Promise<string> {
  const [target, query = ''] = path.split('?');
  const { status, json } = await gateway.call('POST', `/emit/${target}?durable=true&${query}`, JSON.stringify(payload));
  expect(status, JSON.stringify(json)).toBe(200);
  return json.data.id;
}

/** Sends as many of the event `m` to a user, in order. */
export async function sendMany(gateway: TestGateway, userId: string, count: number): Promise<void> {
  const items = Array.from({ length: count }, (_, n) => ({ userId, event: 'm', durable: true, payload: n + 1 }));
  const { json } = await gateway.call('POST', '/emit', { items });
  expect(json.data.items.every(({ success }: { success: boolean }) => success)).toBe(true);
}

/** Asks what became of the messages of a user. */
export async function ask(gateway: TestGateway, userId: string, query = ''): Promise<Deliveries> {
  const { status, json } = await gateway.call('GET', `/users/${userId}/deliveries?${query}`);
  expect(status, JSON.stringify(json)).toBe(200);
  return json.data;
}

/** The reason for each device, of each message of the event `m`, newest first. */
export async function reasons(gateway: TestGateway, userId: string, query = ''): Promise<Record<string, string>[]> {
  const { messages } = await ask(gateway, userId, `event=m&${query}`);
  return messages.map(({ devices }) => Object.fromEntries(devices.map((fate) => [fate.deviceId, fate.reason])));
}
