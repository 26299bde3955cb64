import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Types } from 'mongoose';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../../support/client.js';
import { createServiceAccount } from '../../../support/fcm.js';
import { API_KEY, startGateway } from '../../../support/gateway.js';
import { startGatewayProcess } from '../../../support/gateway-process.js';
import { until } from '../../../support/until.js';
import { openApplication } from '../application.js';
import { createPushEnvironment, type PushEnvironment } from './push-environment.js';

let environment: PushEnvironment;

beforeAll(async () => {
  environment = await createPushEnvironment();
});
afterAll(() => environment.close());

test('when the node that took the call is killed, another one pushes', async () => {
  const { fcm, clock, register, env, waiting, stateOf } = environment;
  await register('left', 'left-phone');
  const { url, child, ended } = await startGatewayProcess(env);
  const answer = await fetch(`${url}/emit/left/m?push=true&push_after=60000`, {
    method: 'POST',
    headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' },
    body: JSON.stringify({ title: 'x' }),
  });
  const { data } = (await answer.json()) as { data: { id: string } };
  child.kill('SIGKILL');
  await ended;
  expect(fcm.to('left-phone')).toEqual([]);
  expect(await waiting()).toBe(1);
  // No node has a timer for it: the periodic pass finds it.
  clock.advance(120_000);
  await fcm.has('left-phone', 1);
  await until(async () => (await waiting()) === 0);
  expect(fcm.to('left-phone').length).toBe(1);
  expect(await stateOf(data.id)).toBe('pushed');
});

test('a conversation message is pushed only to members connected to no node', async () => {
  const { nodes, models, fcm, register, waiting } = environment;
  const account = new Types.ObjectId();
  const ids = ['Ann', 'Bob', 'Cleo', 'Dan'].map((name) => ({ _id: new Types.ObjectId(), account, name }));
  await models.User.insertMany(ids);
  const [ann = '', bob = '', cleo = '', dan = ''] = ids.map(({ _id }) => _id.toHexString());
  await register(ids[0]?._id ?? '', 'ann-phone');
  await register(ids[1]?._id ?? '', 'bob-phone');
  await register(cleo, 'cleo-phone', 'cleo-tablet');
  await register(dan, 'dan-phone');
  const open = (node: number, uid: string, namespace: string) =>
    connect(nodes[node] ?? nodes[0], { namespace, claims: { uid, account_id: account.toHexString() } });
  const a = await open(0, ann, '/v1/conversation');
  // Connected elsewhere, to another namespace: at home all the same.
  const b = await open(1, bob, '/v1/shared');
  await until(async () => (await nodes[0].call('GET', `/users/${bob}/presence`)).json.data.online === true);

  const { data } = await a.ask('add_conversation', { users: [bob, cleo], channel_id: 'general', title: 'Launch' });
  const conversation_id = data.conversation._id;
  const sent = await a.ask('message', { conversation_id, data: 'x'.repeat(300) });
  await Promise.all([fcm.has('cleo-phone', 1), fcm.has('cleo-tablet', 1)]);
  await until(async () => (await waiting()) === 0);
  expect(fcm.to('cleo-phone')).toEqual([
    {
      token: 'cleo-phone',
      notification: { title: 'Launch', body: 'x'.repeat(200) },
      data: { id: sent.data.message._id, event: 'message', conversation_id },
      webpush: { notification: { tag: sent.data.message._id } },
    },
  ]);
  expect(['ann-phone', 'bob-phone', 'dan-phone'].flatMap(fcm.to)).toEqual([]);
  a.close();
  b.close();
});

describe('credentials', () => {
  /** Starts a gateway that is closed at the end, with its log. */
  async function start(
    env: Record<string, string>,
  ): Promise<{ gateway: Awaited<ReturnType<typeof startGateway>>; log: string[] }> {
    const log: string[] = [];
    const logger = pino({ level: 'info' }, { write: (line: string) => void log.push(JSON.parse(line).msg) });
    const gateway = await startGateway(env, { logger });
    onTestFinished(() => gateway.close());
    return { gateway, log };
  }

  test('without any, push is off, logged once, and messages that request it are still durable', async () => {
    const { gateway, log } = await start({});
    const { json } = await gateway.call('POST', '/emit/no-device/m?push=true&push_after=0', '1');
    expect(json.data).toMatchObject({ id: expect.any(String), state: 'queued' });
    const late = await openApplication(gateway, { user: 'no-device', deviceId: 'd' });
    await late.has(1);
    late.close();
    expect(log.filter((line) => line.startsWith('push:'))).toEqual([
      'push: off, no FIREBASE_SERVICE_ACCOUNT and no GOOGLE_APPLICATION_CREDENTIALS',
    ]);
  });

  test('are accepted as JSON and as the path of a file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const path = join(directory, 'account.json');
    const account = JSON.stringify(createServiceAccount());
    await writeFile(path, account);
    for (const env of [
      { FIREBASE_SERVICE_ACCOUNT: account },
      { FIREBASE_SERVICE_ACCOUNT: path },
      { GOOGLE_APPLICATION_CREDENTIALS: path },
    ]) {
      const { log } = await start(env as Record<string, string>);
      expect(log).toContain('push: on');
    }
  });

  test.each([
    ['FIREBASE_SERVICE_ACCOUNT', '/nowhere/account.json', 'the file cannot be read (ENOENT)'],
    ['GOOGLE_APPLICATION_CREDENTIALS', '/nowhere/account.json', 'the file cannot be read (ENOENT)'],
    ['FIREBASE_SERVICE_ACCOUNT', '{ "private_key": "hush', 'does not hold JSON of an account'],
    ['FIREBASE_SERVICE_ACCOUNT', '{}', 'Service account object must contain a string "project_id" property.'],
    [
      'FIREBASE_SERVICE_ACCOUNT',
      JSON.stringify({ ...createServiceAccount(), private_key: 'hush' }),
      'Failed to parse private key',
    ],
  ])('that are none end the start with the name of %s and nothing of what is in it', async (name, value, reason) => {
    const failure = await startGateway({ [name]: value }).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(failure?.message).toContain(`${name}: ${reason}`);
    expect(failure?.message).not.toContain('hush');
  });
});
