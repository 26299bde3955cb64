import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAsyncApi } from '../../src/documents/async-api.js';
import { addDepartment } from '../integrations/chat/support/chat.js';
import { openSite, sent } from '../integrations/push-sites/site-client.js';
import { createSiteEnvironment, news, type SiteEnvironment } from '../integrations/push-sites/site-environment.js';
import { type ClientOptions, refusal, type TestClient } from '../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import type { TestGateway } from '../support/gateway.js';
import { createEventComparison, resolve } from './hold.js';

interface Message {
  readonly payload?: unknown;
}

const document = JSON.parse(JSON.stringify(createAsyncApi()));
const channels = Object.entries<{ address: string; messages: object }>(document.channels).map(
  ([id, { address, messages }]) => ({ id, address, messages: resolve(document, messages) as Record<string, Message> }),
);
const fixed = channels.filter(({ address }) => !address.includes('{'));
const compare = createEventComparison(document);

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

/** The events of clients that a channel describes, each with the forms of its answer. */
const eventsOf = (id: string) =>
  Object.entries<{ reply: { messages: unknown[] } }>(document.operations)
    .filter(([key]) => key.startsWith(`${id}.on.`) && key !== `${id}.on.connect`)
    .map(([key, { reply }]) => {
      const [answer] = reply.messages.map((message) => resolve(document, message) as Message);
      return { name: key.slice(`${id}.on.`.length), answer: answer?.payload };
    });

/** What a client hears that its channel does not describe. */
function undocumented({ socket }: Pick<TestClient, 'socket'>, messages: Record<string, Message>): unknown[] {
  const found: unknown[] = [];
  socket.onAny((event: string, ...all: unknown[]) => {
    const isAcknowledged = typeof all.at(-1) === 'function';
    const args = isAcknowledged ? all.slice(0, -1) : all;
    const key = `${event}.event` in messages ? event : 'relayed';
    const { payload } = messages[`${key}.event`] ?? {};
    const isList = key === 'relayed' && (payload as { type?: unknown } | undefined)?.type === 'array';
    const faults = payload === undefined ? args : compare(payload, isList ? args : args[0]);
    const isSilent = isAcknowledged && !(`${key}.acknowledgement` in messages);
    if (!(`${key}.event` in messages) || faults.length > 0 || isSilent) found.push([event, args, faults]);
  });
  return found;
}

describe.each(fixed)('messages on $address have the documented form', ({ id, address, messages }) => {
  /** An authenticated client. */
  async function open(): Promise<TestClient> {
    const [ann] = await environment.people('Ann');
    const departmentId = await addDepartment(environment, ann);
    return environment.open(ann, { namespace: address, query: { departmentId } });
  }

  test('on a refused connection', async () => {
    const [gateway] = environment.nodes;
    const options: ClientOptions = { namespace: address, claims: null, query: { deviceId: 'd'.repeat(129) } };
    const { message, data } = await refusal(gateway as TestGateway, options);
    expect(compare(messages['connect_error.event']?.payload, { message, data })).toEqual([]);
  });

  test('after invalid events', async () => {
    const client = await open();
    const found = undocumented(client, messages);
    for (const { name, answer } of eventsOf(id)) {
      const reply = await client.ask(name, 7);
      expect([name, reply.success, compare(answer, reply)]).toEqual([name, false, []]);
      client.socket.emit(name, 7);
    }
    client.socket.emit('nothing of ours');
    expect(await client.ask('nothing of ours')).toMatchObject({ success: false });
    expect(found).toEqual([]);
  });
});

describe('messages on a push site have the documented form', () => {
  let sites: SiteEnvironment;
  let gateway: TestGateway;
  const messages = channels.find(({ address }) => address === '/{site}')?.messages ?? {};

  beforeAll(async () => {
    sites = await createSiteEnvironment();
    gateway = await sites.start({ REDIS_URL: '' });
  });
  afterAll(async () => {
    await gateway.close();
    await sites.close();
  });

  test('on a refused connection', async () => {
    const socket = openSite(gateway, 'news', { token: 'no-account' });
    const error = await new Promise<Error & { data?: unknown }>((tell) => socket.once('connect_error', tell));
    socket.close();
    const reply = { message: error.message, ...(error.data === undefined ? {} : { data: error.data }) };
    expect(compare(messages['connect_error.event']?.payload, reply)).toEqual([]);
  });

  test('for a device with queued messages, and live', async () => {
    sites.website.rooms.set('t-1', ['user_1']);
    await sent(gateway, news, { rooms: 'user_1', event: 'first', args: [1, { a: null }] });
    const socket = openSite(gateway, 'news', { token: 't-1', deviceId: 'd-1' });
    const found = undocumented({ socket }, messages);
    const heard: string[] = [];
    socket.onAny((event: string, ...args: unknown[]) => {
      const isHeld = event === 'fourth' && !heard.includes(event);
      heard.push(event);
      const last = args.at(-1);
      if (typeof last === 'function' && !isHeld) last();
    });
    const hears = (event: string) => new Promise((tell) => socket.once(event, tell));
    await hears('_batch');
    await Promise.all([hears('third'), sent(gateway, news, { rooms: 'user_1', event: 'third', args: 'x' })]);
    // Of two of one event the later is acknowledged, which says that the earlier was missed.
    await Promise.all([hears('fourth'), sent(gateway, news, { rooms: 'user_1', event: 'fourth' })]);
    await Promise.all([hears('_resync'), sent(gateway, news, { rooms: 'user_1', event: 'fourth' }, '&resync=true')]);
    await Promise.all([hears('event_error'), socket.emit('anything')]);
    await Promise.all([hears('server_draining'), gateway.close()]);
    const later = ['third', 'fourth', 'fourth', '_resync', 'event_error', 'server_draining'];
    expect(heard).toEqual(['_settings', '_batch', ...later]);
    expect(found).toEqual([]);
    socket.close();
  });
});

test('clients get the documented shutdown event when the node stops', async () => {
  const [ann] = await environment.people('Ann');
  const departmentId = await addDepartment(environment, ann);
  const found: unknown[] = [];
  const reply = fixed.map(async ({ address, messages }) => {
    const client = await environment.open(ann, { namespace: address, query: { departmentId } });
    const faults = undocumented(client, messages);
    return { stops: client.next('server_draining').then(() => found.push(...faults)) };
  });
  const clients = await Promise.all(reply);
  await environment.nodes[0]?.close();
  await Promise.all(clients.map(({ stops }) => stops));
  expect(found).toEqual([]);
});
