import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBackend } from '#shared/backend/index.js';
import { liveRecord } from '#shared/contracts/traffic.js';
import { connect, refusal } from '../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { API_KEY, signToken } from '../support/gateway.js';
import { openLines } from '../support/lines.js';
import { until } from '../support/until.js';

let environment: TestEnvironment;
const ids: string[] = [];

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
  const [a, b] = [environment.node(0), environment.node(1)];
  for (const node of [a, b]) {
    const client = await connect(node, { claims: { uid: 'finder' } });
    const backend = createBackend({ url: a.url, apiKey: API_KEY });
    let sockets: { node: string }[] = [];
    await until(async () => {
      sockets = (await backend.connections('finder')).connections;
      return sockets.length === 1;
    });
    ids.push(sockets[0]?.node ?? '');
    client.close();
    await until(async () => (await backend.connections('finder')).connections.length === 0);
  }
});
afterAll(() => environment?.close());

/** Every node watches for it when it begins. */
const openLive = (query: Record<string, string> = {}, node = 0) =>
  openLines(environment.node(node), `/live?${new URLSearchParams(query)}`);

/** A token that names a user, and is not signed by the secret. */
const forged = (uid: string): string => signToken({ uid }).replace(/[^.]+$/, 'forged');

describe('what happens', () => {
  test('a connect to a namespace that does not exist is a refusal', async () => {
    const name = `/unknown/${'n'.repeat(200)}`;
    const { records, has } = await openLive({ kinds: 'refusal' });
    await refusal(environment.node(1), { namespace: name });
    await has(1);
    expect(records).toEqual([
      liveRecord.strict().parse({
        at: records[0]?.at,
        node: ids[1],
        kind: 'refusal',
        namespace: name.slice(0, 128),
        event: null,
        userId: null,
        code: 'NOT_FOUND',
        sockets: 0,
        bytes: null,
        detail: 'there is no such namespace',
      }),
    ]);
  });

  test('on both nodes is streamed with its node: connects, refusals, events, emits and what clients received', async () => {
    const { records, has } = await openLive({ user: 'ann' });
    const device = { token: signToken({ uid: 'ann' }), deviceId: 'phone' };
    const clients = [
      await connect(environment.node(0), { auth: device }),
      await connect(environment.node(1), { auth: device }),
    ];
    const [one, two] = clients;
    await until(() => records.filter(({ kind }) => kind === 'connect').length === 2);
    await refusal(environment.node(1), { auth: { token: forged('ann') } });
    await two?.ask('join', { secret: 1 });
    await environment.node(1).call('POST', '/emit/ann/note', { secret: 2 });
    await environment.node(0).call('POST', '/emit/ann/kept?durable=true', {});
    const received = await Promise.all(clients.map((client) => client.next('kept')));
    await Promise.all(clients.map((client) => client.next('note')));
    for (const client of clients) client.close();
    await until(() => records.filter(({ kind }) => kind === 'disconnect').length === 2);
    await has(10);

    for (const record of records) expect(liveRecord.strict().parse(record)).toEqual(record);
    const of = (wanted: string) => records.filter(({ kind }) => kind === wanted);
    expect(of('connect').map(({ node, userId, deviceId, namespace }) => [node, userId, deviceId, namespace])).toEqual(
      expect.arrayContaining(ids.map((id) => [id, 'ann', 'phone', '/v1/shared'])),
    );
    expect(of('refusal')).toMatchObject([
      { node: ids[1], userId: null, claimedUserId: 'ann', code: 'INVALID_TOKEN', address: '127.0.0.1' },
    ]);
    expect(of('event')).toMatchObject([{ node: ids[1], event: 'join', code: 'SUCCESS' }]);
    expect(
      of('emit')
        .map(({ node, event, isDurable }) => [node, event, isDurable])
        .sort(),
    ).toEqual(
      [
        [ids[1], 'note', false],
        [ids[0], 'kept', true],
      ].sort(),
    );
    // What is told to have gone out is what the clients got.
    for (const event of ['note', 'kept']) {
      const sent = of('sent').filter((record) => record.event === event);
      expect(sent.reduce((sum, { sockets }) => sum + sockets, 0)).toBe(received.length);
      expect(sent.map(({ node }) => node).sort()).toEqual([...ids].sort());
    }
    expect(
      of('disconnect').every(({ code }) => code === 'client namespace disconnect' || code === 'transport close'),
    ).toBe(true);
    expect(JSON.stringify(records)).not.toContain('secret');
    one?.close();
  });

  test('is filtered by the server: kinds, code, event, namespace and node', async () => {
    const streams = {
      refused: await openLive({ code: 'NOT_FOUND' }),
      second: await openLive({ node: ids[1] ?? '', kinds: 'event,emit' }),
      named: await openLive({ event: 'here' }),
      elsewhere: await openLive({ namespace: '/v1/conversation', kinds: 'connect' }),
    };
    const clients = await Promise.all(
      [0, 1].map((node) => connect(environment.node(node), { claims: { uid: 'bob' } })),
    );
    for (const client of clients) await client.ask('nothing', {});
    const team = await connect(environment.node(1), { claims: { uid: 'bob' }, namespace: '/v1/conversation' });
    await environment.node(0).call('POST', '/emit/bob/here', {});
    await environment.node(1).call('POST', '/emit/bob/there', {});
    await Promise.all(clients.map((client) => client.next('there')));
    const shown = async (stream: Awaited<ReturnType<typeof openLive>>, count: number) => {
      await stream.has(count);
      return stream.records.map(({ node, kind, event }) => `${ids.indexOf(node)} ${kind} ${event}`).sort();
    };
    expect(await shown(streams.refused, 2)).toEqual(['0 event nothing', '1 event nothing']);
    expect(await shown(streams.second, 2)).toEqual(['1 emit there', '1 event nothing']);
    expect(await shown(streams.named, 3)).toEqual(['0 emit here', '0 sent here', '1 sent here']);
    expect(await shown(streams.elsewhere, 1)).toEqual(['1 connect null']);
    for (const client of [...clients, team]) client.close();
  });

  test('has names that clients chose as data', async () => {
    const hostile = '<img src=x onerror=alert(1)>\n{"kind":"emit"}\u2028"\\';
    const { records } = await openLive({ user: hostile }, 1);
    const device = { token: signToken({ uid: hostile }), deviceId: hostile };
    const client = await connect(environment.node(0), { auth: device });
    await until(() => records.some(({ kind }) => kind === 'connect'));
    await client.ask(`${hostile}\0`, {});
    await refusal(environment.node(0), { auth: { token: forged(hostile) } });
    await until(() => records.some(({ kind }) => kind === 'event') && records.some(({ kind }) => kind === 'refusal'));
    expect(records.find(({ kind }) => kind === 'connect')).toMatchObject({ userId: hostile, deviceId: hostile });
    expect(records.find(({ kind }) => kind === 'event')).toMatchObject({ event: `${hostile}\0`, code: 'NOT_FOUND' });
    expect(records.find(({ kind }) => kind === 'refusal')).toMatchObject({ claimedUserId: hostile });
    client.close();
  });

  test('includes limits that callers reach', async () => {
    const node = await environment.startNode({ EVENT_LIMIT: '1' });
    const stream = await openLines(node, '/live?kinds=limit&user=eager');
    const client = await connect(node, { claims: { uid: 'eager' } });
    await client.ask('join', {});
    await client.ask('join', {});
    await stream.has(1);
    expect(stream.records[0]).toMatchObject({ kind: 'limit', userId: 'eager', code: 'RATE_LIMITED', detail: 'events' });
    client.close();
  });
});

test.each(['kinds=all', 'kinds=', 'kinds=event,', 'user=', `event=${'x'.repeat(129)}`, 'usr=1'])(
  'refuses the filter %s',
  async (query) => {
    expect((await environment.node(0).call('GET', `/live?${query}`)).json).toMatchObject({ errno: 400 });
  },
);

test('of a node that is not alive is not found', async () => {
  expect((await environment.node(0).call('GET', '/live?node=none')).status).toBe(404);
});

test('ends with the node of the reader, and goes on when another node ends', async () => {
  const [own, other] = [await environment.startNode(), await environment.startNode()];
  const stream = await openLines(own, '/live?kinds=connect&user=late');
  await other.close();
  const client = await connect(environment.node(1), { claims: { uid: 'late' } });
  await stream.has(1);
  await own.close();
  await until(stream.isEnded);
  client.close();
});
