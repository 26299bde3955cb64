import { expect } from 'vitest';
import type { Models } from '#shared/models/index.js';
import { openWebsite, type Website } from '../../../integrations/push-sites/website.js';
import { createTestClock, type TestClock } from '../../../support/clock.js';
import { createTestEnvironment } from '../../../support/environment.js';
import { startFcm, type TestFcm } from '../../../support/fcm.js';
import type { TestGateway } from '../../../support/gateway.js';

/** The push site. */
export const news = { name: 'news', key: 'key of news' };

/** The state of a message on a device, as the route reports it. */
interface DeviceReport {
  deviceId: string | null;
  state: string | null;
  at: string | null;
  reason: string;
}

/** The answer of `GET /users/:userId/deliveries`. */
export interface Deliveries {
  messages: {
    id: string;
    event: string;
    namespace: string;
    createdAt: string;
    state: string;
    devices: DeviceReport[];
  }[];
  devices: { deviceId: string; isConnected: boolean; namespaces: string[]; seenAt: string; waiting: number }[];
  next: string | null;
  keptForMs: number;
}

/** Two nodes with the real clock, and a single one with a test clock and a database of its own. */
export interface DeliveriesEnvironment {
  readonly a: TestGateway;
  readonly b: TestGateway;
  /** Without Redis, so its presence has no lease that expires. */
  readonly alone: TestGateway;
  readonly clock: TestClock;
  readonly fcm: TestFcm;
  readonly website: Website;
  /** Of the two nodes, and of the single one. */
  readonly models: Models;
  readonly modelsOfAlone: Models;
  close(): Promise<void>;
}

export async function createDeliveriesEnvironment(): Promise<DeliveriesEnvironment> {
  const [fcm, website] = await Promise.all([startFcm(), openWebsite()]);
  const site = { SITE_NAME: news.name, AUTH_URL: `${website.url}/rooms`, API_KEY: news.key, USER_ROOM_PREFIX: 'user_' };
  // Each step of the test clock runs every poll that it passes: a short limit keeps tests of it cheap.
  const env = { MAILBOX_MAX: '600', DEVICE_TTL: '300', ...site };
  const clock = createTestClock();
  const pair = await createTestEnvironment({ nodes: 2, env });
  const single = await createTestEnvironment({
    env: { ...env, ...fcm.env },
    overrides: { clock, pushAgent: fcm.agent },
  });
  return {
    a: pair.node(0),
    b: pair.node(1),
    models: pair.models,
    alone: single.node(0),
    modelsOfAlone: single.models,
    clock,
    fcm,
    website,
    async close() {
      await Promise.all([pair.close(), single.close()]);
      await Promise.all([fcm.close(), website.close()]);
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

/** Reads the deliveries of a user. */
export async function ask(gateway: TestGateway, userId: string, query = ''): Promise<Deliveries> {
  const { status, json } = await gateway.call('GET', `/users/${userId}/deliveries?${query}`);
  expect(status, JSON.stringify(json)).toBe(200);
  return json.data;
}

/** The reason for each device, of each message of the event `m`, newest first. */
export async function reasons(gateway: TestGateway, userId: string, query = ''): Promise<Record<string, string>[]> {
  const { messages } = await ask(gateway, userId, `event=m&${query}`);
  return messages.map(({ devices }) => Object.fromEntries(devices.map(({ deviceId, reason }) => [deviceId, reason])));
}
