import { administration } from '#shared/contracts/administration.js';
import { cluster } from '#shared/contracts/cluster.js';
import { consoleApi } from '#shared/contracts/console.js';
import { emitApi } from '#shared/contracts/emit-api.js';
import { inspection } from '#shared/contracts/inspection.js';
import { leadFinder } from '#shared/contracts/lead-finder.js';
import { operations } from '#shared/contracts/operations.js';
import { pushSites } from '#shared/contracts/push-sites.js';
import { sharedEvents } from '#shared/contracts/shared-events.js';
import { siteStatus } from '#shared/contracts/site-status.js';
import { logIn, OF_PAGE } from '../../integrations/console/page.js';
import { connectSite } from '../../integrations/push-sites/site-client.js';
import { openApplication } from '../../realtime/delivery/application.js';
import { API_KEY } from '../../support/gateway.js';
import { until } from '../../support/until.js';
import type { WalkEnvironment } from './environment.js';

/** What backends call, what is delivered, and push sites. */
export async function walkPlatform(environment: WalkEnvironment): Promise<void> {
  const { ask, call, clock, models } = environment;
  await walkReceipts(environment);
  const user = await environment.user();
  const userId = String(user);
  await models.FcmToken.collection.insertOne({ user_id: userId, account_id: 'a', web_token: ['phone'] });
  await models.ApiSession.collection.insertOne({ _id: 'session' as never, access_token: 'x' });
  const query = { deviceId: 'laptop' };
  const s = await environment.open(user, { namespace: '/v1/shared', query });
  await ask(sharedEvents, s, 'join', {});
  const l = await environment.open(user, { namespace: '/v1/lead-finder' });
  const scraperId = 'scraper-0123456789';
  for (const event of ['join', 'leave']) await ask(leadFinder, l, event, { scraper_id: scraperId });
  await call(leadFinder, 'emit', { params: { scraperId, event: 'found' }, body: {} });

  const params = { userId, event: 'news' };
  await call(emitApi, 'emit', { params, body: {} });
  const durable = { durable: 'true', push: 'true', push_after: '1000' };
  const headers = { 'idempotency-key': 'once' };
  const { id } = await call(emitApi, 'emit', { params, query: durable, body: {}, headers });
  await call(emitApi, 'emit', { params, query: durable, body: {}, headers });
  await call(emitApi, 'emitStatus', { params: { id } });
  const items = Array.from({ length: 5 }, (_, n) => ({ userId, event: 'news', payload: n, durable: true }));
  await call(emitApi, 'emitBatch', { body: { items } });
  await call(emitApi, 'broadcast', { params: { event: 'news' }, body: {} });
  await call(emitApi, 'presence', { params: { userId } });
  await call(emitApi, 'presences', { body: { userIds: [userId] } });
  await call(inspection, 'users', { query: { search: userId } });
  await call(inspection, 'users', { query: { search: 'ada arch' } });
  await call(inspection, 'user', { params: { userId } });
  await call(inspection, 'message', { params: { id } });
  await call(inspection, 'messages', { query: { idempotencyKey: 'once' } });
  await call(inspection, 'live');
  for (const asked of [
    {},
    { event: 'news' },
    { state: 'queued' },
    { since: new Date(0).toISOString() },
    { before: '9' },
  ]) {
    await call(emitApi, 'deliveries', { params: { userId }, query: asked });
  }
  await walkSite(environment);
  // As if another node had stored it, and its notification was lost.
  const recipient = JSON.stringify(['', userId]);
  const last = await models.DeliveryEntry.findOne({ recipient }).sort({ position: -1 }).lean();
  const place = { recipient, position: (last?.position ?? 0) + 1, namespace: '/v1/shared' };
  const times = { createdAt: new Date(clock.now()), checkAt: new Date(clock.now() + 3_600_000) };
  await models.DeliveryEntry.collection.insertOne({ _id: 'lost', ...place, ...times, body: '["lost",1]' } as never);
  clock.advance(60_000);
  await s.next('lost');
  await call(emitApi, 'disconnect', { params: { userId }, body: { reason: 'bye' } });
  await s.closed;
  await call(emitApi, 'disconnect', { params: { userId: 'other' }, body: { block_seconds: 1 } });
  await call(emitApi, 'revokeTokens', { body: { jti: 'token' } });
  const back = await environment.open(user, { namespace: '/v1/shared', query });
  await ask(sharedEvents, back, 'join', {});
  for (const name of Object.keys(operations.routes)) await call(operations, name);
  await walkAdministration(environment, userId);
}

/** The node is drained at the end. */
async function walkAdministration(environment: WalkEnvironment, userId: string): Promise<void> {
  const { call } = environment;
  const params = { userId };
  await call(administration, 'connections', { params });
  await call(administration, 'devices', { params });
  await call(emitApi, 'emit', { params: { userId, event: 'news' }, query: { durable: 'true' }, body: {} });
  const device = { params: { userId, deviceId: 'laptop' } };
  await call(administration, 'clearDevice', device);
  await call(administration, 'block', { params, body: { seconds: 60 } });
  await call(administration, 'blockOf', { params });
  await call(administration, 'unblock', { params });
  await call(emitApi, 'disconnect', { params, body: {} });
  await untilDone(() => call(administration, 'forgetDevice', device));
  await walkUnnamedDevice(environment, userId);
  await walkForgottenDevices(environment);
  const { nodes } = await call(administration, 'nodes');
  const node = { params: { nodeId: nodes[0].id } };
  await call(administration, 'nodeConnections', node);
  for (const name of ['overview', 'history']) await call(cluster, name);
  await call(siteStatus, 'sites');
  await walkConsole(environment);
  await call(administration, 'drainNode', node);
}

/** A client that names no device. */
async function walkUnnamedDevice({ call, open }: WalkEnvironment, userId: string): Promise<void> {
  const device = { params: { userId }, query: { deviceId: '' } };
  const client = await open(userId, { namespace: '/v1/shared' });
  await untilDone(() => call(administration, 'clearAnyDevice', device));
  client.close();
  await untilDone(() => call(administration, 'forgetAnyDevice', device));
}

/**
 * Devices that are forgotten with and without messages that wait for them. There are too many flags, so each takes two updates: the
 * second one is also sent when a device has been seen since it was read, which happens in some walks only.
 */
async function walkForgottenDevices({ call, open, models }: WalkEnvironment): Promise<void> {
  const userId = 'forgotten';
  const devices = ['phone', 'tablet'];
  for (const deviceId of devices) {
    const client = await open(userId, { namespace: '/v1/shared', query: { deviceId } });
    await client.ask('join');
    client.close();
  }
  const { collection } = models.DeliveryRecipient;
  const _id = JSON.stringify(['', userId]) as never;
  await until(async () => (await collection.findOne({ _id }))?.['devices'].length === devices.length);
  const resyncFlags = Array.from({ length: 200 }, (_, n) => `device-${n}`);
  await collection.updateOne({ _id }, { $set: { resyncFlags } });
  for (const deviceId of devices) {
    await untilDone(() => call(administration, 'forgetDevice', { params: { userId, deviceId } }));
    await call(emitApi, 'emit', { params: { userId, event: 'news' }, query: { durable: 'true' }, body: {} });
  }
}

/** The gateway stores and forgets connections shortly after they came and went. */
const untilDone = (call: () => Promise<unknown>): Promise<void> =>
  until(() =>
    call().then(
      () => true,
      () => false,
    ),
  );

async function walkConsole({ call, gateway }: WalkEnvironment): Promise<void> {
  await call(consoleApi, 'logIn', { headers: OF_PAGE, body: { key: API_KEY } });
  const headers = { ...OF_PAGE, cookie: await logIn(gateway, API_KEY) };
  await call(consoleApi, 'token', { headers, body: { uid: 'user' } });
  for (const name of ['session', 'logOut']) await call(consoleApi, name, { headers });
}

async function walkSite({ call, gateway, site }: WalkEnvironment): Promise<void> {
  const client = await connectSite(gateway, site.name, { token: 'reader', deviceId: 'phone' });
  const query = { site: site.name, apiKey: site.key };
  for (const rooms of ['user_reader', 'hall']) {
    await call(pushSites, 'send', { query, body: { rooms, event: 'news', args: [1] }, headers: { 'x-api-key': '' } });
  }
  await client.has(2);
  client.close();
}

/** Messages that are pushed, that a device acknowledges, and that are deleted when their receipts are over. */
async function walkReceipts({ call, clock, gateway, models }: WalkEnvironment): Promise<void> {
  const userId = 'receiver';
  const emitUntil = async (state: string, query: Record<string, string>): Promise<void> => {
    const { id } = await call(emitApi, 'emit', { params: { userId, event: 'm' }, query, body: { title: 'x' } });
    await clock.advanceUntil(100, async () => (await call(emitApi, 'emitStatus', { params: { id } })).state === state);
  };
  await models.FcmToken.collection.insertOne({ user_id: userId, account_id: 'a', web_token: ['tablet'] });
  await emitUntil('pushed', { push: 'true', push_after: '0' });
  const application = await openApplication(gateway, { user: userId, deviceId: 'phone' });
  await emitUntil('acked', { durable: 'true' });
  application.close();
  // As after some hours, which would end the tokens of the walk.
  const recipient = JSON.stringify(['', userId]);
  const long = new Date(clock.now() - 86_400_000);
  const $set = { createdAt: long, checkAt: long, 'outcomes.$[].at': long };
  const { collection } = models.DeliveryEntry;
  const isAcked = { recipient, outcomes: { $exists: true } };
  await clock.advanceUntil(100, async () => (await collection.countDocuments(isAcked)) === 2);
  await collection.updateMany(isAcked, { $set });
  await clock.advanceUntil(10_000, async () => (await collection.countDocuments({ recipient })) === 1);
}
