import { readdir } from 'node:fs/promises';
import { mongo } from 'mongoose';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type GatewayOptions, startGateway, type TestGateway } from '../../src/testing/index.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const ADA = '67862093194d24b30b18941c';
const BEN = '67a094459af8d4f2d387907a';

/** A gateway that is stopped at the end of the test. */
async function start(options?: GatewayOptions): Promise<TestGateway> {
  const gateway = await startGateway(options);
  onTestFinished(() => gateway.stop());
  return gateway;
}

async function post({ url, apiKey }: TestGateway, path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': apiKey, ...headers },
    body: JSON.stringify(body),
  });
  return response.json();
}

describe('a gateway for tests', () => {
  test('delivers what a backend emits, and tells what was emitted', async () => {
    const gateway = await start({ users: [ADA] });
    await post(
      gateway,
      `/emit/${ADA}/notification?durable=true`,
      { title: 'New Lead' },
      { 'idempotency-key': 'lead-1' },
    );
    expect(await gateway.received(ADA, 'notification')).toEqual({ title: 'New Lead' });
    await post(
      gateway,
      `/emit/${ADA}/notification?durable=true`,
      { title: 'New Lead' },
      { 'idempotency-key': 'lead-1' },
    );
    await post(gateway, '/broadcast/maintenance', { minutes: 20 });
    expect(await gateway.received(ADA, 'maintenance')).toEqual({ minutes: 20 });
    expect(gateway.emitted()).toMatchObject([
      { userId: ADA, event: 'notification', args: [{ title: 'New Lead' }], isDurable: true, id: expect.any(String) },
      { event: 'maintenance', args: [{ minutes: 20 }], isDurable: false },
    ]);
    expect(gateway.emitted({ userId: ADA })).toHaveLength(1);
  });

  test('keeps durable messages for a device that is away', async () => {
    const gateway = await start();
    const phone = await gateway.connect(ADA, { deviceId: 'phone' });
    await phone.disconnect();
    await post(gateway, `/emit/${ADA}/order?durable=true`, { number: 7 });
    const again = await gateway.connect(ADA, { deviceId: 'phone' });
    expect(await gateway.received(ADA, 'order')).toEqual({ number: 7 });
    expect(again.events).toMatchObject([{ event: 'order', wasWaiting: true }]);
  });

  test('has a clock to move', async () => {
    const gateway = await start();
    const expiring = await gateway.connect(ADA, { expiresInSeconds: 600 });
    await gateway.clock.advance(570_000);
    expect(await gateway.received(ADA, 'auth_expiring')).toEqual({ expires_in: expect.any(Number) });
    await gateway.clock.advance(600_000);
    expect(await gateway.received(ADA, 'auth_expired')).toEqual({});
    const old = gateway.token(BEN, { expiresInSeconds: -3600 });
    await expect(gateway.connect(BEN, { claims: { exp: 1 } })).rejects.toThrow('INVALID_TOKEN');
    expect([expiring.namespace, old.split('.').length]).toEqual(['/v1/shared', 3]);
  });

  test('answers events, and shares its database', async () => {
    const gateway = await start();
    const users = await new mongo.MongoClient(gateway.databaseUrl).connect();
    onTestFinished(() => users.close());
    await users
      .db()
      .collection('users')
      .insertOne({ _id: new mongo.ObjectId(ADA), name: 'Ada Adams' });
    const device = await gateway.connect(ADA, { namespace: '/v1/conversation', accountId: '6785f0d23b1c2a7d64e0915f' });
    expect(await device.ask('list_conversation', {})).toMatchObject({ success: true, data: { conversation: [] } });
    expect(await device.ask('list_conversation', { page: 'one' })).toMatchObject({ success: false });
  });

  test('explains why nothing was received', async () => {
    const gateway = await start({ users: [BEN] });
    await expect(gateway.received(ADA, 'order')).rejects.toThrow(`no device of ${ADA} is connected`);
    await post(gateway, `/emit/${BEN}/other`, {});
    await post(gateway, `/emit/${BEN}/last`, {});
    await gateway.received(BEN, 'last');
    await expect(gateway.received(BEN, 'order', { timeoutMs: 1 })).rejects.toThrow(
      `${BEN} received no order within 1 ms, but other`,
    );
    const never = gateway.received(BEN, 'order');
    await Promise.all([expect(never).rejects.toThrow('the gateway stopped'), gateway.stop()]);
  });

  test('refuses a setting with a wrong value, and leaves nothing behind', async () => {
    const directory = await temporaryDirectory();
    vi.stubEnv('TMPDIR', directory);
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(startGateway({ settings: { EVENT_LIMIT: 'many' } })).rejects.toThrow(
      'EVENT_LIMIT: must be a whole number of at least 1',
    );
    const gateway = await startGateway();
    expect(await readdir(directory)).not.toEqual([]);
    await gateway.stop();
    expect(await readdir(directory)).toEqual([]);
  });
});

test('gateways in one process do not disturb each other, and end with their block', async () => {
  const ports: string[] = [];
  {
    await using one = await startGateway({ users: [ADA] });
    await using other = await startGateway({ users: [ADA], settings: { EVENT_LIMIT: '5' } });
    ports.push(one.url, other.url);
    await one.clock.advance(60_000);
    expect(other.clock.now() - Date.now()).toBeLessThan(1000);
    await post(one, `/emit/${ADA}/a`, { of: 'one' });
    await post(other, `/emit/${ADA}/a`, { of: 'other' });
    expect(await one.received(ADA, 'a')).toEqual({ of: 'one' });
    expect(await other.received(ADA, 'a')).toEqual({ of: 'other' });
    expect([one.emitted().length, other.emitted().length]).toEqual([1, 1]);
    expect(one.token(ADA)).not.toBe(other.token(ADA));
  }
  for (const url of ports) await expect(fetch(`${url}/status`)).rejects.toThrow();
});
