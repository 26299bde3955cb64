import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createTaskTracker } from '../../../../src/platform/concurrency/task-tracker.js';
import type { Bus, RoomMessages } from '../../../../src/realtime/bus.js';
import { LogPoll } from '../../../../src/realtime/delivery/maintenance/log-poll.js';
import { PollCoordinator } from '../../../../src/realtime/delivery/maintenance/poll-coordinator.js';
import { keyOf } from '../../../../src/realtime/delivery/message.js';
import { createTestClock } from '../../../support/clock.js';
import { createRandom } from '../../../support/random.js';

/** What is promised for an entry whose notification was lost. */
const FOUND_WITHIN_MS = 10_000;
const STEP_MS = 100;

interface Entry {
  readonly recipient: string;
  readonly position: number;
  readonly createdAt: number;
}

/** Nodes that share a log and a bus, in simulated time. Each user is on one node. Nothing announces entries but the poll. */
function createCluster(count: number, seed: number) {
  const clock = createTestClock(1_800_000_000_000);
  const { next: random } = createRandom(seed);
  const stored: Entry[] = [];
  const stats = { reads: 0, polls: 0 };
  const log = {
    async readSince(time: number) {
      const found = stored.filter(({ createdAt }) => createdAt >= time);
      stats.reads += found.length;
      stats.polls += 1;
      return found;
    },
    countCreated: async (from: number, to: number) =>
      stored.filter(({ createdAt }) => createdAt >= from && createdAt < to).length,
  };
  const nodes = Array.from({ length: count }, (_, index) => createNode(index));
  const nodeOf = (user: string) => nodes[Number(user.split('-')[1]) % count];
  const others = (own: number) => nodes.filter(({ index, isAlive }) => index !== own && isAlive);

  function createNode(index: number) {
    const listeners = new Map<string, (message: unknown) => void>();
    const noticed = new Map<string, number>();
    const notice = (recipient: { userId: string; key: string }, position: number): void => {
      if (nodeOf(recipient.userId)?.index === index) {
        noticed.set(recipient.key, Math.max(position, noticed.get(recipient.key) ?? 0));
      }
    };
    const node = { index, noticed, isAlive: true, isCut: false, gaps: 0, stop: (): void => undefined };
    const deliver = (topic: string, message: unknown): boolean => {
      if (node.isCut) return false;
      if (topic === 'delivery.log') {
        for (const { recipient, position } of message as Entry[]) {
          notice({ key: recipient, userId: (JSON.parse(recipient) as [string, string])[1] }, position);
        }
      } else listeners.get(topic)?.(message);
      return true;
    };
    const bus: Bus = {
      publish: (topic, message) => others(index).forEach((other) => void (node.isCut || other.deliver(topic, message))),
      publishTo: () => undefined,
      async publishToRooms(topic, messages: readonly RoomMessages[]) {
        if (node.isCut) return { isComplete: false, areHeld: undefined };
        for (const { room, messages: own } of messages) {
          const holder = nodeOf(room.replace('user:', ''));
          if (holder !== undefined && holder.index !== index && holder.isAlive) holder.deliver(topic, own);
        }
        return { isComplete: true, areHeld: undefined };
      },
      recall: () => undefined,
      mayBeHeld: async () => new Set(),
      mayBeHeldElsewhere: async () => false,
      holdersOf: async () => [],
      subscribe: (topic, listener) => void listeners.set(topic, listener),
      gaps: () => (node.isCut ? undefined : node.gaps),
    };
    const whileAlive =
      <T>(task: () => T) =>
      () =>
        void (node.isAlive && task());
    const own = { ...clock, after: (ms: number, task: () => void) => clock.after(ms, whileAlive(task)) };
    const tasks = createTaskTracker((error) => {
      throw error;
    });
    const coordinator = new PollCoordinator({
      poll: new LogPoll({ log, clock }),
      outboxes: { notice },
      bus,
      clock: own,
      tasks,
      random,
    });
    node.stop = coordinator.start();
    return Object.assign(node, {
      deliver,
      /** It misses everything for a time, and knows it. */
      cut(): void {
        node.isCut = true;
        node.gaps += 1;
      },
      reconnect(): void {
        node.isCut = false;
        node.gaps += 1;
      },
    });
  }

  return {
    clock,
    random,
    nodes,
    stored,
    stats,
    store(user: string): void {
      const recipient = keyOf({ site: '', userId: user });
      const position = stored.filter((entry) => entry.recipient === recipient).length + 1;
      stored.push({ recipient, position, createdAt: clock.now() });
    },
    async pass(ms: number): Promise<void> {
      for (let passed = 0; passed < ms; passed += STEP_MS) {
        clock.advance(STEP_MS);
        for (let turn = 0; turn < 3; turn += 1) await setImmediate();
      }
    },
    /** Entries that are late, on nodes that live. */
    late: (): Entry[] =>
      stored.filter(({ recipient, position, createdAt }) => {
        const node = nodeOf((JSON.parse(recipient) as [string, string])[1]);
        const isDue = createdAt <= clock.now() - FOUND_WITHIN_MS;
        return node?.isAlive === true && isDue && (node.noticed.get(recipient) ?? 0) < position;
      }),
  };
}

describe('nodes that take turns to poll', () => {
  test('find every entry, and read each about once however many they are', async () => {
    const readsByCount = new Map<number, number>();
    for (const count of [1, 2, 8]) {
      const cluster = createCluster(count, count);
      for (let second = 0; second < 120; second += 1) {
        // Until then all poll, because none knows of the others.
        if (second === 20) Object.assign(cluster.stats, { reads: 0 });
        for (let user = 0; user < 10; user += 1) cluster.store(`user-${user}`);
        await cluster.pass(1000);
        expect(cluster.late()).toEqual([]);
      }
      readsByCount.set(count, cluster.stats.reads / cluster.stored.length);
    }
    const alone = readsByCount.get(1) ?? 0;
    for (const reads of readsByCount.values()) expect(reads).toBeLessThan(1.5 * alone);
  });

  test.each([1, 2, 3])(
    'find every entry in time while nodes die and lose their connections (seed %i)',
    async (seed) => {
      const cluster = createCluster(5, seed);
      const { nodes, random } = cluster;
      for (let second = 0; second < 240; second += 1) {
        for (let user = 0; user < 10; user += 1) cluster.store(`user-${user}`);
        const node = nodes[Math.floor(random() * nodes.length)];
        if (second % 60 === 59 && nodes.filter(({ isAlive }) => isAlive).length > 2 && node !== undefined) {
          node.isAlive = false;
        } else if (random() < 0.2) {
          if (node?.isCut === true) node.reconnect();
          else node?.cut();
        }
        await cluster.pass(1000);
        expect(cluster.late()).toEqual([]);
      }
    },
  );

  test('do not rely on a node whose messages they may have missed', async () => {
    const cluster = createCluster(2, 7);
    const [one, two] = cluster.nodes;
    await cluster.pass(20_000);
    // The other node polls, and its notification is lost on the way.
    two?.cut();
    cluster.store('user-0');
    cluster.store('user-1');
    await cluster.pass(4100);
    two?.reconnect();
    await cluster.pass(6000);
    expect(cluster.late()).toEqual([]);
    expect([one?.noticed.size, two?.noticed.size]).toEqual([1, 1]);
  });
});
