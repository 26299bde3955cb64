import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectRedis, type Redis } from '../../../src/platform/redis/connect.js';
import { type Clock, systemClock } from '../../../src/platform/time/clock.js';
import type { PresenceEntry, PresenceStore } from '../../../src/realtime/presence/index.js';
import { createRedisPresence } from '../../../src/realtime/presence/redis.js';
import { tick } from '../../../src/realtime/presence/scripts/lease.js';
import { changeSockets } from '../../../src/realtime/presence/scripts/sockets.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';
import { compiled } from '../../support/script.js';
import { until } from '../../support/until.js';

const GRACE_MS = 100;
const LEASE_MS = 900;
/** A lease that is longer than the outages of a test. */
const AWAY_MS = 6000;
const keyPrefix = 'test:';
const lines: string[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
const undo: (() => unknown)[] = [];
let server: TestRedis;

beforeEach(async () => {
  server = await startRedis();
  undo.push(() => server.dispose());
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A node of the gateway, as far as presence goes: a connection and a store of its own, and what it reported. */
interface Node {
  store: PresenceStore;
  redis: Redis;
  isAlone: boolean;
  nodeId: string;
  online: string[];
  offline: string[];
  lost: string[];
  restored: string[];
  /** The process stands still (a long pause of the machine), or goes on. */
  setPaused(isPaused: boolean): void;
  /** Ends as with SIGKILL: no event is published. */
  kill(): Promise<void>;
}

async function openRedis(): Promise<Redis> {
  const redis = await connectRedis({ url: server.url, prefix: 'test', startupTimeoutMs: 120_000, logger });
  undo.push(() => redis.close());
  return redis;
}

async function startNode(leaseMs = LEASE_MS): Promise<Node> {
  const redis = await openRedis();
  let isPaused = false;
  const whileAwake = (task: () => void) => () => {
    if (!isPaused) task();
  };
  const clock: Clock = {
    now: systemClock.now,
    after: (delayMs, task) => systemClock.after(delayMs, whileAwake(task)),
    every: (intervalMs, task) => systemClock.every(intervalMs, whileAwake(task)),
  };
  const onStateChange: Redis['onStateChange'] = (listener) =>
    redis.onStateChange((isReady) => {
      if (!isPaused) listener(isReady);
    });
  const addProbe: Redis['addProbe'] = (probe) => redis.addProbe(() => (isPaused ? undefined : probe()));
  const nodeId = randomUUID();
  const options = { redis: { ...redis, onStateChange, addProbe }, nodeId };
  const store = createRedisPresence({ ...options, clock, logger, keyPrefix, graceMs: GRACE_MS, leaseMs });
  const [online, offline, lost, restored]: [string[], string[], string[], string[]] = [[], [], [], []];
  const { isAlone } = await store.start({
    online: ({ userId }) => online.push(userId),
    offline: ({ userId }) => offline.push(userId),
    lost: (sockets) => lost.push(...sockets.map(({ socketId }) => socketId)),
    restored: (sockets) => restored.push(...sockets.map(({ socketId }) => socketId)),
  });
  const setPaused = (value: boolean): void => {
    isPaused = value;
  };
  const kill = async (): Promise<void> => {
    isPaused = true;
    await redis.close();
  };
  undo.push(() => store.stop());
  return { store, redis, nodeId, isAlone, online, offline, lost, restored, setPaused, kill };
}

let sockets = 0;
const socketOf = (userId: string): PresenceEntry => {
  sockets += 1;
  return { userId, socketId: `socket-${sockets}`, accountId: 'account', connectedAt: 1_000 + sockets };
};
const connectionsOf = async ({ store }: Node, userId: string): Promise<number> =>
  (await store.get([userId]))[0]?.connections ?? Number.NaN;

/** Lets a user come and go and waits for the report: whatever was due before has been reported by then. */
async function ensureReported(nodes: readonly Node[], on: Node): Promise<void> {
  const barrier = socketOf(`barrier-${randomUUID()}`);
  await on.store.add(barrier);
  await until(async () => (await connectionsOf(on, barrier.userId).catch(() => 0)) === 1);
  await on.store.remove(barrier);
  await until(() => nodes.some(({ offline }) => offline.includes(barrier.userId)));
}
const reportsOf = (nodes: readonly Node[], kind: 'offline' | 'lost' | 'restored'): string[] =>
  nodes.flatMap((node) => node[kind]).filter((id) => !id.startsWith('barrier'));

async function processIdOf(redis: Redis): Promise<number> {
  return Number(/process_id:(\d+)/.exec(await redis.commands.sendCommand<string>(['INFO', 'server']))?.[1]);
}
/** Scripts that Redis has run. */
async function countScripts({ redis }: Node): Promise<number> {
  const stats = await redis.commands.sendCommand<string>(['INFO', 'commandstats']);
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]);
}
const stateOf = (nodes: readonly Node[], isReady: boolean): Promise<void> =>
  until(() => nodes.every(({ redis }) => redis.isReady() === isReady));

describe('two nodes', () => {
  test('see each other’s sockets, and decide first and last together', async () => {
    const [a, b] = [await startNode(), await startNode()];
    const [one, two] = [socketOf('ann'), socketOf('ann')];
    expect(await a.store.add(one)).toEqual({ isFirst: true, at: expect.any(Number) });
    expect(await b.store.add(two)).toEqual({ isFirst: false });
    expect(await connectionsOf(a, 'ann')).toBe(2);
    expect(await a.store.remove(one)).toEqual({ isLast: false });
    expect(await connectionsOf(a, 'ann')).toBe(1);
    expect(await b.store.remove(two)).toEqual({ isLast: true });
    await until(() => reportsOf([a, b], 'offline').length > 0);
    await ensureReported([a, b], a);
    expect(reportsOf([a, b], 'offline')).toEqual(['ann']);
  });

  test('write what comes and goes together with a few commands, in order', async () => {
    const [a, b] = [await startNode(), await startNode()];
    const entries = Array.from({ length: 100 }, (_, i) => [socketOf(`user-${i}`), socketOf(`user-${i}`)] as const);
    const before = await countScripts(a);
    const added = await Promise.all(entries.flat().map((entry) => a.store.add(entry)));
    expect(added.map(({ isFirst }) => isFirst)).toEqual(entries.flatMap(() => [true, false]));
    expect(await connectionsOf(b, 'user-99')).toBe(2);
    const removed = await Promise.all(
      entries.flatMap(([one, two]) => [
        a.store.remove(one),
        a.store.add(one),
        a.store.remove(one),
        a.store.remove(two),
      ]),
    );
    const isLast = removed.map((change) => ('isLast' in change ? change.isLast : change.isFirst));
    expect(isLast).toEqual(entries.flatMap(() => [false, false, false, true]));
    expect(await connectionsOf(b, 'user-0')).toBe(0);
    // 600 changes; the rest are the renewals of both nodes.
    expect((await countScripts(a)) - before).toBeLessThan(60);
    await until(() => reportsOf([a, b], 'offline').length >= 100);
    expect(new Set(reportsOf([a, b], 'offline')).size).toBe(100);
  });

  test('ask once for all questions of a turn, and for each user once', async () => {
    const [a, b] = [await startNode(), await startNode()];
    await Promise.all([a.store.add(socketOf('user-1')), b.store.add(socketOf('user-2'))]);
    const circle = (first: number): string[] => Array.from({ length: 10 }, (_, i) => `user-${first + i}`);
    // Redis learns the script by the first question.
    await a.store.presentAmong(['user-1']);
    const command = vi.spyOn(a.redis.commands, 'sendCommand');
    const asked = Array.from({ length: 50 }, (_, i) => circle(i % 5));
    const answers = await Promise.all(asked.map((userIds) => a.store.presentAmong(userIds)));
    const isThere = (userId: string): boolean => ['user-1', 'user-2'].includes(userId);
    expect(answers).toEqual(asked.map((userIds) => new Set(userIds.filter(isThere))));
    const questions = command.mock.calls
      .map(([parts]) => parts)
      .filter((parts) => parts.includes(`${keyPrefix}user:user-1`));
    expect(questions).toHaveLength(1);
    // Each user as a key and as an argument.
    expect(questions[0]?.filter((part) => part.endsWith('user-1'))).toHaveLength(2);
  });

  test('know whether they are alone', async () => {
    const a = await startNode();
    const b = await startNode();
    expect([a.isAlone, b.isAlone]).toEqual([true, false]);
    await a.store.stop();
    await b.store.stop();
    expect((await startNode()).isAlone).toBe(true);
  });

  test('remove the sockets of a stopping node at once, without reporting them as lost', async () => {
    const [a, b] = [await startNode(), await startNode()];
    for (let i = 0; i < 450; i++) await a.store.add(socketOf(`user-${i}`));
    await a.store.stop();
    expect(await connectionsOf(b, 'user-0')).toBe(0);
    await until(() => b.offline.length === 450);
    expect(new Set(b.offline).size).toBe(450);
    expect(b.lost).toEqual([]);
    const keys = await b.redis.commands.sendCommand<string[]>(['KEYS', `${keyPrefix}*`]);
    expect(keys.filter((key) => /user|sockets|reaper|leaving|accounts/.test(key))).toEqual([]);
  });
});

describe('a node that dies', () => {
  test('removes its sockets; one survivor reports them', async () => {
    const [a, b, c] = [await startNode(), await startNode(), await startNode()];
    const [ofAnn, ofBob, ofBobElsewhere] = [socketOf('ann'), socketOf('bob'), socketOf('bob')];
    await a.store.add(ofAnn);
    await a.store.add(ofBob);
    await b.store.add(ofBobElsewhere);
    await a.kill();
    await until(async () => (await connectionsOf(b, 'ann')) === 0);
    expect(await connectionsOf(c, 'bob')).toBe(1);
    await until(() => reportsOf([b, c], 'offline').length > 0);
    await ensureReported([b, c], b);
    expect(reportsOf([b, c], 'offline')).toEqual(['ann']);
    expect(reportsOf([b, c], 'lost').toSorted()).toEqual([ofAnn.socketId, ofBob.socketId].toSorted());
    expect(reportsOf([b, c], 'restored')).toEqual([]);
  });

  test('with many sockets is cleaned up completely, each socket once', async () => {
    const [a, b, c] = [await startNode(), await startNode(), await startNode()];
    const entries = Array.from({ length: 1_500 }, (_, i) => socketOf(`user-${i}`));
    await Promise.all(entries.map((entry) => a.store.add(entry)));
    await a.kill();
    await until(() => reportsOf([b, c], 'offline').length >= entries.length);
    expect(reportsOf([b, c], 'lost').toSorted()).toEqual(entries.map(({ socketId }) => socketId).toSorted());
    expect(reportsOf([b, c], 'offline').toSorted()).toEqual(entries.map(({ userId }) => userId).toSorted());
    const keys = await b.redis.commands.sendCommand<string[]>(['KEYS', `${keyPrefix}*`]);
    expect(keys.filter((key) => /user:|sockets:|reaper:/.test(key))).toEqual([]);
  });

  test('by SIGKILL is noticed too', async () => {
    const a = await startNode();
    const path = compiled('test/realtime/presence/fixtures/presence-node.ts');
    const child = fork(path, [server.url, keyPrefix, String(LEASE_MS), 'ann', 'bob'], {
      execArgv: [],
    });
    undo.push(() => child.kill('SIGKILL'));
    await once(child, 'message');
    expect(await connectionsOf(a, 'ann')).toBe(1);
    child.kill('SIGKILL');
    await until(() => a.offline.length === 2);
    expect(a.lost.toSorted()).toEqual(['socket-of-ann', 'socket-of-bob']);
    expect(await connectionsOf(a, 'ann')).toBe(0);
  });

  test('before it reported a claimed user leaves the report to another node', async () => {
    const a = await startNode();
    const socket = socketOf('ann');
    await a.store.add(socket);
    a.setPaused(true);
    await a.store.remove(socket);
    let leasedSince = '';
    const takesOn = async (): Promise<boolean> => {
      const reply = await tick(a.redis.commands, keyPrefix, { args: ['dying', '0', LEASE_MS, 100, leasedSince] });
      leasedSince = String((reply as unknown[]).at(-1));
      return JSON.stringify(reply).includes('"ann","account"');
    };
    await until(takesOn);
    a.setPaused(false);
    await until(() => a.offline.length > 0);
    await ensureReported([a], a);
    expect(reportsOf([a], 'offline')).toEqual(['ann']);
  });
});

describe('a node that stood still', () => {
  test('registers its sockets again when others have removed them', async () => {
    const [a, b] = [await startNode(), await startNode()];
    const socket = socketOf('ann');
    await a.store.add(socket);
    a.setPaused(true);
    await until(() => b.lost.includes(socket.socketId));
    a.setPaused(false);
    await until(() => a.restored.includes(socket.socketId));
    expect(await connectionsOf(b, 'ann')).toBe(1);
    expect(b.restored).toEqual([]);
    // It does not take the other for dead.
    await ensureReported([a, b], b);
    expect(a.lost).toEqual([]);
  });

  test('registers its sockets again although a renewal whose answer was lost has begun its lease anew', async () => {
    const [a, b] = [await startNode(), await startNode()];
    const socket = socketOf('ann');
    await a.store.add(socket);
    a.setPaused(true);
    await until(() => b.lost.includes(socket.socketId));
    await until(() => b.offline.includes('ann'));
    // What a connection that was given up long ago still held.
    await tick(a.redis.commands, keyPrefix, { args: [a.nodeId, 0, LEASE_MS, 0, ''] });
    a.setPaused(false);
    await until(() => a.restored.includes(socket.socketId));
    expect(await connectionsOf(b, 'ann')).toBe(1);
    // The others were told that the user is offline.
    await until(() => a.online.includes('ann'));
  });
});

describe('a Redis that is killed', () => {
  test('and comes back empty is filled again', async () => {
    const nodes = [await startNode(), await startNode()] as const;
    const [a, b] = nodes;
    const [stays, leaves, leavesEarlier] = [socketOf('ann'), socketOf('bob'), socketOf('eve')];
    const staysElsewhere = socketOf('bob-elsewhere');
    const leavesHere = socketOf('bob-elsewhere');
    for (const entry of [stays, leaves, leavesEarlier, leavesHere]) await a.store.add(entry);
    await b.store.add(staysElsewhere);

    await a.store.remove(leavesEarlier);
    await server.stop();
    await stateOf(nodes, false);
    await expect(a.store.get(['ann'])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    // A node knows its own sockets.
    expect(await a.store.hasSockets()).toBe(true);
    const arrives = socketOf('joe');
    expect(await a.store.add(arrives)).toEqual({ isFirst: false });
    expect(await a.store.remove(leaves)).toEqual({ isLast: false });
    expect(await a.store.remove(leavesHere)).toEqual({ isLast: false });
    const passes = socketOf('moe');
    await a.store.add(passes);
    await a.store.remove(passes);

    await server.start();
    await until(() => a.restored.includes(stays.socketId) && b.restored.includes(staysElsewhere.socketId));
    await stateOf(nodes, true);
    expect(a.restored.toSorted()).toEqual([stays, arrives].map(({ socketId }) => socketId).toSorted());
    for (const userId of ['ann', 'joe', 'bob-elsewhere']) expect(await connectionsOf(b, userId)).toBe(1);
    for (const userId of ['bob', 'eve', 'moe']) expect(await connectionsOf(b, userId)).toBe(0);
    // It was never reported that this user came online, so no node reports that they left.
    const returns = socketOf('moe');
    expect(await a.store.add(returns)).toEqual({ isFirst: true, at: expect.any(Number) });
    await a.store.remove(returns);
    // The store could not say whether it was the first socket.
    await until(() => a.online.includes('joe'));
    await until(() => ['bob', 'eve'].every((userId) => reportsOf(nodes, 'offline').includes(userId)));
    await ensureReported(nodes, a);
    const reports = reportsOf(nodes, 'offline');
    expect(reports.toSorted()).toEqual([...new Set(reports)].toSorted());
    expect(reports).not.toContain('bob-elsewhere');
    expect(reportsOf(nodes, 'lost')).toEqual([]);
  });
});

/** Adds and removes sockets on both nodes, `interrupt`s in the midst of it. @returns the sockets that stay, per user */
async function churn(nodes: readonly [Node, Node], interrupt: () => Promise<unknown>): Promise<Map<string, number>> {
  const live = new Map<string, number>();
  const pending: Promise<unknown>[] = [];
  for (let i = 0; i < 200; i++) {
    const node = nodes[i % 2 === 0 ? 0 : 1];
    const entry = socketOf(`user-${i % 20}`);
    pending.push(node.store.add(entry));
    if (i % 3 === 0) pending.push(node.store.remove(entry));
    else live.set(entry.userId, (live.get(entry.userId) ?? 0) + 1);
    // Some commands are answered by now, some are not, and some will never be sent.
    if (i === 100) pending.push(interrupt());
    if (i % 50 === 0) await connectionsOf(node, entry.userId).catch(() => undefined);
  }
  await Promise.all(pending);
  return live;
}

async function ensureCounted(node: Node, live: ReadonlyMap<string, number>): Promise<void> {
  await until(async () => {
    const answer = await node.store.get([...live.keys()]).catch(() => []);
    return answer.length > 0 && answer.every(({ userId, connections }) => connections === live.get(userId));
  });
}

describe('a Redis that loses its data before the sockets of a killed node are removed', () => {
  test('reports a user whose last living socket has left as offline, and one with a living socket not', async () => {
    const nodes = [await startNode(), await startNode(), await startNode()] as const;
    const [a, b, killed] = nodes;
    const [leaves, stays] = [socketOf('leaves'), socketOf('stays')];
    for (const socket of [leaves, stays]) await a.store.add(socket);
    for (const userId of ['leaves', 'stays']) await killed.store.add(socketOf(userId));
    await b.store.add(socketOf('stays'));
    await killed.kill();
    for (const socket of [leaves, stays]) await a.store.remove(socket);
    await server.command('FLUSHALL');
    await until(() => reportsOf(nodes, 'offline').includes('leaves'));
    await until(async () => (await connectionsOf(a, 'stays')) === 1);
    await ensureReported(nodes, b);
    expect(reportsOf(nodes, 'offline')).toEqual(['leaves']);
  });
});

describe('a Redis that is killed and comes back with older data', () => {
  test('has what it lost, and not what it should not have', async () => {
    const nodes = [await startNode(), await startNode()] as const;
    const [a, b] = nodes;
    const [stays, leaves, comes] = [socketOf('stays'), socketOf('leaves'), socketOf('comes')];
    for (const socket of [stays, leaves]) await a.store.add(socket);
    await server.command('SAVE');
    await a.store.add(comes);
    await a.store.remove(leaves);
    await server.stop();
    await server.start();
    await stateOf(nodes, true);
    const users = ['stays', 'leaves', 'comes'];
    await until(async () => {
      const present = await b.store.get(users).catch(() => []);
      return isDeepStrictEqual(
        present.map(({ connections }) => connections),
        [1, 0, 1],
      );
    });
    await ensureReported(nodes, b);
    expect(reportsOf(nodes, 'offline')).toEqual(['leaves']);
    expect(reportsOf(nodes, 'lost')).toEqual([]);
  });
});

describe('traffic', () => {
  test('during which Redis is killed leaves no stale socket and misses none', async () => {
    const nodes = [await startNode(), await startNode()] as const;
    const live = await churn([...nodes], () => server.stop());
    await server.start();
    await ensureCounted(nodes[0], live);
  });

  test('during which all connections break repeatedly leaves no stale socket and misses none', async () => {
    // A node that is away for a lease is lost, and on a loaded machine a connection takes a while to come back.
    const nodes = [await startNode(AWAY_MS), await startNode(AWAY_MS)] as const;
    const { commands } = await openRedis();
    const live = new Map<string, number>();
    for (let round = 0; round < 10; round++) {
      const added = await churn([...nodes], () => commands.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal']));
      for (const [userId, count] of added) live.set(userId, (live.get(userId) ?? 0) + count);
    }
    await stateOf(nodes, true);
    await ensureCounted(nodes[0], live);
    await ensureReported(nodes, nodes[0]);
    expect(reportsOf(nodes, 'lost')).toEqual([]);
  });
});

describe('a Redis that hangs', () => {
  test("for longer than a lease removes no user's presence", async () => {
    const nodes = [await startNode(), await startNode()] as const;
    const [a, b] = nodes;
    const [ofAnn, ofBob, ofEve] = [socketOf('ann'), socketOf('bob'), socketOf('eve')];
    for (const entry of [ofAnn, ofEve]) await a.store.add(entry);
    await b.store.add(ofBob);
    const processId = await processIdOf(a.redis);
    process.kill(processId, 'SIGSTOP');
    undo.push(() => process.kill(processId, 'SIGCONT'));
    // Both are written to a connection that Redis reads only when both nodes have long given it up.
    const passes = socketOf('moe');
    await Promise.all([a.store.add(passes), a.store.remove(passes), a.store.remove(ofEve)]);
    await stateOf(nodes, false);
    process.kill(processId, 'SIGCONT');
    await until(() => a.offline.includes('eve') || b.offline.includes('eve'));
    await ensureReported(nodes, a);
    for (const userId of ['ann', 'bob']) expect(await connectionsOf(a, userId)).toBe(1);
    for (const userId of ['eve', 'moe']) expect(await connectionsOf(b, userId)).toBe(0);
    const reports = reportsOf(nodes, 'offline').filter((userId) => userId !== 'moe');
    expect(reports).toEqual(['eve']);
    expect(reportsOf(nodes, 'lost')).toEqual([]);
  });

  test('waits for the other node before removing its sockets', async () => {
    const nodes = [await startNode(), await startNode()] as const;
    const [a, b] = nodes;
    const [leaves, stays] = [socketOf('ann'), socketOf('bob')];
    await b.store.add(stays);
    await a.store.add(leaves);
    // A renewal that is on its way when Redis stops would be carried out when it goes on.
    for (const node of nodes) node.setPaused(true);
    await a.store.remove(leaves);
    const processId = await processIdOf(a.redis);
    process.kill(processId, 'SIGSTOP');
    undo.push(() => process.kill(processId, 'SIGCONT'));
    await stateOf(nodes, false);
    // Back on the other node, which cannot say so yet, and is the later of the two to find Redis again.
    await b.store.add(socketOf('ann'));
    a.setPaused(false);
    process.kill(processId, 'SIGCONT');
    await a.store.add(socketOf('joe'));
    await until(async () => (await connectionsOf(a, 'joe').catch(() => 0)) === 1);
    b.setPaused(false);
    await until(async () => (await connectionsOf(a, 'ann')) === 1);
    await ensureReported(nodes, a);
    expect(await connectionsOf(a, 'bob')).toBe(1);
    expect(reportsOf(nodes, 'offline')).toEqual([]);
    expect(reportsOf(nodes, 'lost')).toEqual([]);
  });

  test('sends the changes of many sockets at once, also while Redis does not answer', async () => {
    const [a, b] = [await startNode(), await startNode()];
    const processId = await processIdOf(a.redis);
    const send = vi.spyOn(a.redis.commands, 'sendCommand');
    process.kill(processId, 'SIGSTOP');
    undo.push(() => process.kill(processId, 'SIGCONT'));
    const entries = Array.from({ length: 200 }, (_, n) => socketOf(`user-${n % 150}`));
    const added = entries.map((entry) => a.store.add(entry));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const sent = send.mock.calls.flatMap(([command]) => command.filter((part) => part === 'add'));
    expect(sent).toHaveLength(200);
    process.kill(processId, 'SIGCONT');
    expect((await Promise.all(added)).filter(({ isFirst }) => isFirst)).toHaveLength(150);
    const seen = await b.store.get(Array.from({ length: 150 }, (_, n) => `user-${n}`));
    expect(seen.reduce((sum, { connections }) => sum + connections, 0)).toBe(200);
  });

  test('ignores what a broken connection left behind', async () => {
    const a = await startNode();
    const keys = ['sockets:node', 'user:ann'];
    const addAs = (node: string, generation: number) =>
      changeSockets(a.redis.commands, keyPrefix, {
        keys,
        args: [node, generation, GRACE_MS, 'add', 'ann', 'socket', '1::account'],
      });
    expect(await addAs('unknown', 0)).toBe(-1);
    await tick(a.redis.commands, keyPrefix, { args: ['node', '3', LEASE_MS, 100] });
    expect(await addAs('node', 2)).toBe(-1);
    await tick(a.redis.commands, keyPrefix, { args: ['node', '1', LEASE_MS, 100] });
    expect(await addAs('node', 1)).toBe(-1);
    expect(await connectionsOf(a, 'ann')).toBe(0);
  });
});

test('a node logs no failed renewals while the log says what Redis refuses', async () => {
  const a = await startNode();
  await a.redis.commands.sendCommand(['CONFIG', 'SET', 'maxmemory', '1']);
  await stateOf([a], false);
  lines.length = 0;
  const send = vi.spyOn(a.redis.commands, 'sendCommand');
  const renewals = () => send.mock.calls.filter(([words]) => words.includes(String(LEASE_MS)));
  // The first two have failed by then.
  await until(() => renewals().length === 3);
  expect(lines).toEqual([]);
});
