import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../src/platform/clock.js';
import { connectRedis, type Redis } from '../../src/platform/redis.js';
import type { PresenceEntry, PresenceStore } from '../../src/realtime/presence/index.js';
import { createRedisPresence } from '../../src/realtime/presence/redis.js';
import { addSocket, tick } from '../../src/realtime/presence/scripts.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const GRACE_MS = 100;
const LEASE_MS = 900;
const keyPrefix = 'test:';
const logger = pino({ enabled: false });
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
  offline: string[];
  lost: string[];
  restored: string[];
  /** The process stands still (a long pause of the machine), or goes on. */
  setPaused(isPaused: boolean): void;
  /** Ends as with SIGKILL: nothing is told to anyone. */
  kill(): Promise<void>;
}

async function startNode(): Promise<Node> {
  const redis = await connectRedis({ url: server.url, startupTimeoutMs: 10_000, logger });
  let isPaused = false;
  const whileAwake = (task: () => void) => () => {
    if (!isPaused) task();
  };
  const clock: Clock = {
    now: systemClock.now,
    after: (delayMs, task) => systemClock.after(delayMs, whileAwake(task)),
    every: (intervalMs, task) => systemClock.every(intervalMs, whileAwake(task)),
  };
  const nodeId = randomUUID();
  const store = createRedisPresence({ redis, clock, logger, nodeId, keyPrefix, graceMs: GRACE_MS, leaseMs: LEASE_MS });
  const [offline, lost, restored]: [string[], string[], string[]] = [[], [], []];
  const { isAlone } = await store.start({
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
  undo.push(async () => {
    await store.stop();
    await redis.close();
  });
  return { store, redis, isAlone, offline, lost, restored, setPaused, kill };
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
  await on.store.remove(barrier);
  await until(() => nodes.some(({ offline }) => offline.includes(barrier.userId)));
}
const reportsOf = (nodes: readonly Node[], kind: 'offline' | 'lost' | 'restored'): string[] =>
  nodes.flatMap((node) => node[kind]).filter((id) => !id.startsWith('barrier'));

async function processIdOf(redis: Redis): Promise<number> {
  return Number(/process_id:(\d+)/.exec(await redis.commands.info('server'))?.[1]);
}
const stateOf = (nodes: readonly Node[], isReady: boolean): Promise<void> =>
  until(() => nodes.every(({ redis }) => redis.isReady() === isReady));

describe('two nodes', () => {
  it('see each other’s sockets, and decide first and last together', async () => {
    const [a, b] = [await startNode(), await startNode()];
    const [one, two] = [socketOf('ann'), socketOf('ann')];
    expect(await a.store.add(one)).toEqual({ isFirst: true });
    expect(await b.store.add(two)).toEqual({ isFirst: false });
    expect(await connectionsOf(a, 'ann')).toBe(2);
    expect(await a.store.remove(one)).toEqual({ isLast: false });
    expect(await connectionsOf(a, 'ann')).toBe(1);
    expect(await b.store.remove(two)).toEqual({ isLast: true });
    await until(() => reportsOf([a, b], 'offline').length > 0);
    await ensureReported([a, b], a);
    expect(reportsOf([a, b], 'offline')).toEqual(['ann']);
  });

  it('know whether they are alone', async () => {
    const a = await startNode();
    const b = await startNode();
    expect([a.isAlone, b.isAlone]).toEqual([true, false]);
    await a.store.stop();
    await b.store.stop();
    expect((await startNode()).isAlone).toBe(true);
  });

  it('take the sockets of one that stops for gone at once, without calling them lost', async () => {
    const [a, b] = [await startNode(), await startNode()];
    for (let i = 0; i < 450; i++) await a.store.add(socketOf(`user-${i}`));
    await a.store.stop();
    expect(await connectionsOf(b, 'user-0')).toBe(0);
    await until(() => b.offline.length === 450);
    expect(new Set(b.offline).size).toBe(450);
    expect(b.lost).toEqual([]);
    const keys = await b.redis.commands.keys(`${keyPrefix}*`);
    expect(keys.filter((key) => /user|sockets|reaper|leaving|accounts/.test(key))).toEqual([]);
  });
});

describe('a node that dies', () => {
  it('takes its sockets with it; one survivor says so', async () => {
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

  it('with many sockets is cleaned up completely, each socket once', async () => {
    const [a, b, c] = [await startNode(), await startNode(), await startNode()];
    const entries = Array.from({ length: 1_500 }, (_, i) => socketOf(`user-${i}`));
    await Promise.all(entries.map((entry) => a.store.add(entry)));
    await a.kill();
    await until(() => reportsOf([b, c], 'offline').length >= entries.length);
    expect(reportsOf([b, c], 'lost').toSorted()).toEqual(entries.map(({ socketId }) => socketId).toSorted());
    expect(reportsOf([b, c], 'offline').toSorted()).toEqual(entries.map(({ userId }) => userId).toSorted());
    const keys = await b.redis.commands.keys(`${keyPrefix}*`);
    expect(keys.filter((key) => /user:|sockets:|reaper:/.test(key))).toEqual([]);
  });

  it('by SIGKILL is noticed too', async () => {
    const a = await startNode();
    const path = fileURLToPath(new URL('./fixtures/presence-node.ts', import.meta.url));
    const child = fork(path, [server.url, keyPrefix, String(LEASE_MS), 'ann', 'bob'], {
      execArgv: ['--import', 'tsx', '--conditions=source'],
    });
    undo.push(() => child.kill('SIGKILL'));
    await once(child, 'message');
    expect(await connectionsOf(a, 'ann')).toBe(1);
    child.kill('SIGKILL');
    await until(() => a.offline.length === 2);
    expect(a.lost.toSorted()).toEqual(['socket-of-ann', 'socket-of-bob']);
    expect(await connectionsOf(a, 'ann')).toBe(0);
  });

  it('before it reported a user it had taken on leaves that to another', async () => {
    const a = await startNode();
    const socket = socketOf('ann');
    await a.store.add(socket);
    a.setPaused(true);
    await a.store.remove(socket);
    const takesOn = async (): Promise<boolean> => {
      const reply = await tick(a.redis.commands, [keyPrefix], ['dying', '0', String(LEASE_MS), '100']);
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
  it('registers its sockets again when others have removed them', async () => {
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
});

describe('a Redis that is killed', () => {
  it('and comes back empty is told everything again', async () => {
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
    const arrives = socketOf('joe');
    expect(await a.store.add(arrives)).toEqual({ isFirst: false });
    expect(await a.store.remove(leaves)).toEqual({ isLast: false });
    expect(await a.store.remove(leavesHere)).toEqual({ isLast: false });
    const passes = socketOf('moe');
    await a.store.add(passes);
    await a.store.remove(passes);

    await server.start();
    await until(() => a.restored.includes(stays.socketId) && b.restored.includes(staysElsewhere.socketId));
    expect(a.restored.toSorted()).toEqual([stays, arrives].map(({ socketId }) => socketId).toSorted());
    for (const userId of ['ann', 'joe', 'bob-elsewhere']) expect(await connectionsOf(b, userId)).toBe(1);
    for (const userId of ['bob', 'eve', 'moe']) expect(await connectionsOf(b, userId)).toBe(0);
    await until(() => ['bob', 'eve'].every((userId) => reportsOf(nodes, 'offline').includes(userId)));
    await ensureReported(nodes, a);
    const reports = reportsOf(nodes, 'offline');
    expect(reports.toSorted()).toEqual([...new Set(reports)].toSorted());
    expect(reports).not.toContain('bob-elsewhere');
    expect(reportsOf(nodes, 'lost')).toEqual([]);
  });

  it('again and again leaves no socket behind and forgets none', async () => {
    const nodes = [await startNode(), await startNode()] as const;
    const live = new Map<string, number>();
    for (let round = 0; round < 5; round++) {
      const pending: Promise<unknown>[] = [];
      for (let i = 0; i < 100; i++) {
        const node = nodes[i % 2 === 0 ? 0 : 1];
        const entry = socketOf(`user-${i % 10}`);
        pending.push(node.store.add(entry));
        if (i % 3 === 0) pending.push(node.store.remove(entry));
        else live.set(entry.userId, (live.get(entry.userId) ?? 0) + 1);
        // In the midst of traffic, so that some commands are answered, some not, and some never sent.
        if (i === 50) pending.push(server.stop());
      }
      await Promise.all(pending);
      await server.start();
      await stateOf(nodes, true);
    }
    const userIds = [...live.keys()];
    await until(async () => {
      const answer = await nodes[0].store.get(userIds).catch(() => []);
      return answer.length > 0 && answer.every(({ userId, connections }) => connections === live.get(userId));
    });
  });
});

describe('a Redis that hangs', () => {
  it('for longer than a lease costs nobody their presence', async () => {
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

  it('reads nothing into what a broken connection left behind', async () => {
    const a = await startNode();
    const args = ['unknown', '0', 'ann', 'socket', '1:account'];
    expect(await addSocket(a.redis.commands, [keyPrefix], args)).toBe(-1);
    await tick(a.redis.commands, [keyPrefix], ['node', '3', String(LEASE_MS), '100']);
    expect(await addSocket(a.redis.commands, [keyPrefix], ['node', '2', ...args.slice(2)])).toBe(-1);
    await tick(a.redis.commands, [keyPrefix], ['node', '1', String(LEASE_MS), '100']);
    expect(await addSocket(a.redis.commands, [keyPrefix], ['node', '1', ...args.slice(2)])).toBe(-1);
    expect(await connectionsOf(a, 'ann')).toBe(0);
  });
});
