import { EventEmitter } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { trafficGap, trafficRecord } from '#shared/contracts/traffic.js';
import { anonymous } from '../../src/auth/principal.js';
import type { StreamReader } from '../../src/framework/line-streams.js';
import { createWatchStreams } from '../../src/framework/watch-streams.js';
import { createTail } from '../../src/integrations/operations/tail.js';
import { silentBus } from '../../src/realtime/bus.js';
import type { PresenceStore } from '../../src/realtime/presence/index.js';
import { Traffic } from '../../src/realtime/traffic.js';
import { createWatches } from '../../src/realtime/watches.js';
import type { GatewaySocket } from '../../src/sockets/socket.js';
import { connect } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { API_KEY, startGateway, type TestGateway } from '../support/gateway.js';
import { openLines } from '../support/lines.js';
import { startProgram } from '../support/program.js';
import { freePort } from '../support/redis-server.js';
import { compiled, projectDirectory, runScript } from '../support/script.js';
import { until } from '../support/until.js';

let environment: TestEnvironment;
let a: TestGateway;
let b: TestGateway;
beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
  [a, b] = [environment.node(0), environment.node(1)];
});
afterAll(() => environment.close());

/** Every node watches for it when it begins. */
const openTail = (gateway: TestGateway, query = '') => openLines(gateway, `/tail${query}`);

const shortened = ({ from, event, userId, sockets, code }: Record<string, unknown>) => ({
  from,
  event,
  userId,
  sockets,
  code,
});

describe('a tail', () => {
  test('shows names and sizes of what goes in and out of all nodes, and no payloads', async () => {
    const { records, has } = await openTail(a, '?user=watched');
    const [one, two] = await Promise.all([1, 2].map(() => connect(b, { claims: { uid: 'watched' } })));
    await one?.ask('join', {});
    await one?.ask('nothing', { secret: 'in' });
    await b.call('POST', '/emit/watched/here', { secret: 'out' });
    await a.call('POST', '/emit/watched/there', { secret: 'out' });
    await b.call('POST', '/emit/watched/kept?durable=true', { secret: 'out' });
    await Promise.all([one?.next('kept'), two?.next('kept'), one?.next('there')]);
    await has(8);
    const sentTo = (name: string): number =>
      records.reduce((sum, { from, event, sockets }) => sum + (from === 'gateway' && event === name ? sockets : 0), 0);
    await until(() => ['here', 'there', 'kept'].every((name) => sentTo(name) === 2));
    // What a backend emits and what goes out may be told in either order, and one message for each socket or for all at once.
    const told = new Map<string, unknown[]>();
    for (const { from, event, sockets, code, isDurable } of records) {
      const before = Number(told.get(`${from} ${event}`)?.[2] ?? 0);
      told.set(`${from} ${event}`, [from, event, before + sockets, code ?? isDurable]);
    }
    expect([...told.values()].sort()).toEqual([
      ['backend', 'here', 0, false],
      ['backend', 'kept', 0, true],
      ['backend', 'there', 0, false],
      ['client', 'join', 1, 'SUCCESS'],
      ['client', 'nothing', 1, 'NOT_FOUND'],
      ['gateway', 'here', 2, undefined],
      ['gateway', 'kept', 2, undefined],
      ['gateway', 'there', 2, undefined],
    ]);
    const [nodeOfA, nodeOfB] = ['there', 'here'].map((name) => records.find(({ event }) => event === name)?.node);
    expect(nodeOfA).not.toBe(nodeOfB);
    for (const record of records) {
      expect(trafficRecord.safeParse(record).error).toBeUndefined();
      expect([record.userId, record.namespace]).toEqual(['watched', '/v1/shared']);
    }
    expect(records.find(({ event }) => event === 'here').bytes).toBe('{"secret":"out"}'.length);
    expect(JSON.stringify(records)).not.toContain('secret');
    one?.close();
    two?.close();
  });

  test('shows one node when it is asked to', async () => {
    const client = await connect(b, { claims: { uid: 'placed' } });
    const { json } = await a.call('GET', '/users/placed/connections');
    const node = json.data.connections[0].node;
    const { records, has } = await openTail(a, `?user=placed&node=${node}`);
    await a.call('POST', '/emit/placed/there', {});
    await client.next('there');
    await b.call('POST', '/emit/placed/here', {});
    await has(3);
    expect(records.map((record) => [record.node, record.from, record.event])).toEqual(
      expect.arrayContaining([
        [node, 'gateway', 'there'],
        [node, 'backend', 'here'],
        [node, 'gateway', 'here'],
      ]),
    );
    expect((await a.call('GET', '/tail?node=unknown')).status).toBe(404);
    client.close();
  });

  test('shows one user or one namespace when it is asked to', async () => {
    const ofUser = await openTail(a, '?user=ann');
    const ofNamespace = await openTail(a, `?namespace=${encodeURIComponent('/v1/conversation')}`);
    const [ann, bob] = await Promise.all(['ann', 'bob'].map((uid) => connect(a, { claims: { uid } })));
    const team = await connect(a, { claims: { uid: 'bob' }, namespace: '/v1/conversation' });
    await bob?.ask('join', {});
    await ann?.ask('join', {});
    await team.ask('join', {});
    await a.call('POST', '/broadcast/all?namespace=*', {});
    await Promise.all([ann?.next('all'), team.next('all')]);
    await ofUser.has(2);
    await ofNamespace.has(2);
    expect(ofUser.records.map(shortened)).toEqual([
      { from: 'client', event: 'join', userId: 'ann', sockets: 1, code: 'SUCCESS' },
      { from: 'gateway', event: 'all', userId: 'ann', sockets: 1, code: undefined },
    ]);
    const names = ofNamespace.records.filter(({ event }) => event === 'all').map(({ namespace }) => namespace);
    expect(names.sort()).toEqual(['*', '/v1/conversation']);
    for (const client of [ann, bob, team]) client?.close();
  });

  test('shows payloads when it is asked to, and tokens never', async () => {
    const { records, has } = await openTail(a, '?payloads=true&user=open');
    const client = await connect(a, { claims: { uid: 'open' } });
    await client.ask('join', { any: 1 });
    await client.ask('refresh_token', { token: 'very secret' });
    await a.call('POST', '/emit/open/note', { title: 'ü' });
    await client.next('note');
    await has(4);
    expect(records.find(({ event }) => event === 'join').payload).toEqual([{ any: 1 }]);
    expect(records.find(({ event }) => event === 'note').payload).toEqual([{ title: 'ü' }]);
    expect(records.find(({ event }) => event === 'refresh_token').bytes).toBeNull();
    expect(JSON.stringify(records)).not.toContain('very secret');
    client.close();
  });

  test('needs an API key, and known parameters', async () => {
    expect((await fetch(`${a.url}/tail`)).status).toBe(401);
    const { status, json } = await a.call('GET', '/tail?usr=1');
    expect([status, json.details[0].path]).toEqual([400, 'usr']);
    expect((await a.call('GET', '/tail?payloads=maybe')).status).toBe(400);
    expect(await a.call('HEAD', '/tail')).toMatchObject({ status: 200, text: '' });
  });

  test('shows no payloads in production', async () => {
    const production = await environment.startNode({ NODE_ENV: 'production' });
    const { status, json } = await production.call('GET', '/tail?payloads=1');
    expect([status, json.details]).toEqual([
      400,
      [{ path: 'payloads', message: 'are shown by a development gateway only' }],
    ]);
  });

  test('is one of eight at most', async () => {
    const node = await environment.startNode();
    for (let n = 0; n < 8; n += 1) await openTail(node);
    expect((await node.call('GET', '/tail')).json).toMatchObject({ message: 'RATE_LIMITED', retryAfterMs: 60_000 });
  });

  test('ends with its node', async () => {
    const node = await startGateway();
    const tail = await openTail(node);
    await node.close();
    await until(tail.isEnded);
  });
});

test('a slow reader is told how many lines it missed', async () => {
  const clock = createTestClock();
  const traffic = new Traffic(clock);
  const watches = createWatches({ traffic, bus: silentBus, clock, nodeId: 'a', mayShowPayloads: false });
  const written: string[] = [];
  // As a connection whose peer reads nothing, until it does.
  const response = Object.assign(new EventEmitter(), {
    req: { method: 'GET' },
    writableLength: 0,
    setHeader: () => undefined,
    flushHeaders: () => undefined,
    end: () => undefined,
    write(line: string) {
      written.push(line);
      response.writableLength += line.length;
    },
  });
  const stream = response as unknown as StreamReader['response'];
  const presence = { nodes: async () => ['a'] } as PresenceStore;
  const streamWatched = createWatchStreams({
    watches,
    clock,
    presence,
    localNode: { id: 'a' } as never,
    nodeCalls: { handle: () => undefined, call: async () => undefined },
  });
  await createTail({ streamWatched, isProduction: true })({ response: stream, isStillValid: () => true }, {});
  const send = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) {
      traffic.emitted({ event: 'e'.repeat(100), args: [n], namespace: '/v1/shared', isDurable: false });
      // No faster than a node sends to a reader.
      if (n % 100 === 99) clock.advance(1000);
    }
    await Promise.resolve();
  };
  await send(5000);
  const isEvent = (line: string): boolean => line.includes('"from"');
  const seen = written.length;
  const events = written.filter(isEvent).length;
  expect(response.writableLength).toBeLessThan(264_000);
  clock.advance(60_000);
  expect(written.length).toBe(seen);
  response.writableLength = 0;
  await send(1);
  expect(written.slice(seen).map((line) => JSON.parse(line))).toEqual([
    trafficGap.parse({ dropped: 5000 - events }),
    expect.objectContaining({ from: 'backend', bytes: 1 }),
  ]);
  clock.advance(15_000);
  expect(written.at(-1)).toBe('\n');
  response.emit('close');
  expect(traffic.isWatched).toBe(false);
  clock.advance(60_000);
  expect(written.at(-1)).toBe('\n');
});

test('sockets have no listener without a watcher', () => {
  const listeners = new Set<unknown>();
  const socket = {
    onAnyOutgoing: (listener: unknown) => listeners.add(listener),
    offAnyOutgoing: (listener: unknown) => listeners.delete(listener),
    nsp: { name: '/v1/shared' },
    data: { principal: anonymous, address: '', deviceId: '' },
  } as unknown as GatewaySocket;
  const traffic = new Traffic(createTestClock());
  traffic.attach(() => [socket]);
  traffic.connected(socket);
  expect([listeners.size, traffic.isWatched]).toEqual([0, false]);
  const filter = { hasPayloads: false };
  const watcher = { perSecondMax: 1, take: () => undefined, miss: () => undefined, end: () => undefined };
  const ends = [1, 2].map(() => traffic.watch(filter, watcher));
  traffic.connected(socket);
  expect([listeners.size, traffic.isWatched]).toEqual([1, true]);
  for (const end of ends) end();
  expect([listeners.size, traffic.isWatched]).toEqual([0, false]);
  // One that does not ask for what goes out needs none.
  traffic.watch({ ...filter, kinds: ['connect'] }, watcher);
  traffic.connected(socket);
  expect([listeners.size, traffic.isWatched]).toEqual([0, true]);
});

describe('the commands', () => {
  const env = () => ({ GATEWAY_KEY: API_KEY });

  test('emit sends an event to a user, and tail shows it', async () => {
    const client = await connect(a, { claims: { uid: 'shell' } });
    const tail = startProgram(process.execPath, [compiled('scripts/tail.ts'), '--url', a.url, '--user', 'shell'], {
      cwd: projectDirectory,
      env: env(),
    });
    await tail.line(/waiting for events/);
    const args = ['shell', 'note', '{"title":"x"}', '--url', a.url];
    const { code, stdout, stderr } = await runScript('scripts/emit.ts', args, env());
    expect([code, stderr, JSON.parse(stdout)]).toEqual([0, '', { sockets: 1 }]);
    expect(await client.next('note')).toEqual([{ title: 'x' }]);
    expect(await tail.line(/← gateway/)).toMatch(/ {2}\/v1\/shared {2}note {2}user shell {2}13 B$/);
    const durable = await runScript('scripts/emit.ts', [...args, '--durable'], env());
    expect(JSON.parse(durable.stdout)).toEqual({ id: expect.any(String), state: 'sent', sockets: 1 });
    client.close();
  });

  test('tail shows what a client sends in one line, without control of the terminal', async () => {
    const client = await connect(a, { claims: { uid: 'mallory\u202e' } });
    const tail = startProgram(process.execPath, [compiled('scripts/tail.ts'), '--url', a.url], {
      cwd: projectDirectory,
      env: env(),
    });
    await tail.line(/waiting for events/);
    await client.ask('name\u001b[2J\n10:00 a forged line', {});
    expect(await tail.line(/→ client/)).toMatch(
      / {2}name\\u001b\[2J\\u000a10:00 a forged line {2}user mallory\\u202e {2}2 B {2}NOT_FOUND$/,
    );
    client.close();
  });

  test('say what is wrong', async () => {
    const emit = (...args: string[]) => runScript('scripts/emit.ts', [...args, '--url', a.url], env());
    const nowhere = ['--url', `http://127.0.0.1:${await freePort()}`, '--key', API_KEY];
    const unreached = await Promise.all([
      runScript('scripts/emit.ts', ['shell', 'note', ...nowhere], env()),
      runScript('scripts/tail.ts', nowhere, env()),
    ]);
    for (const { code, stderr } of unreached)
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^cannot reach http:\/\/127\S+: .*ECONNREFUSED\n$/)]);
    const withoutScheme = ['--url', 'localhost:4000', '--key', API_KEY];
    const unclear = await Promise.all([
      runScript('scripts/emit.ts', ['shell', 'note', ...withoutScheme], env()),
      runScript('scripts/tail.ts', withoutScheme, env()),
    ]);
    for (const { code, stderr } of unclear)
      expect([code, stderr]).toEqual([1, '--url must begin with http:// or https://: localhost:4000\n']);
    const [wrong, broken, missing, refused] = await Promise.all([
      emit('shell', '_note'),
      emit('shell', 'note', '{'),
      runScript('scripts/emit.ts'),
      runScript('scripts/tail.ts', ['--url', a.url, '--key', 'wrong']),
    ]);
    expect(wrong).toMatchObject({ code: 1, stderr: 'VALIDATION_ERROR: event must not start with _\n' });
    expect(broken).toMatchObject({ code: 1, stderr: 'not JSON: {\n' });
    expect(missing.code).toBe(2);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('INVALID_API_KEY')]);
  });
});
