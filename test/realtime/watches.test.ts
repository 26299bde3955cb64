import { describe, expect, test } from 'vitest';
import type { LiveRecord } from '#shared/contracts/traffic.js';
import { type Bus, silentBus } from '../../src/realtime/bus.js';
import { Traffic } from '../../src/realtime/traffic.js';
import { createWatches } from '../../src/realtime/watches.js';
import { createTestClock, type TestClock } from '../support/clock.js';

const everything = { filter: { hasPayloads: false } };

/** Nodes on one bus, as Redis connects them: a message goes through JSON, and not to its sender. */
function startNodes(clock: TestClock, ...ids: string[]) {
  const listeners: { node: string; topic: string; listener: (message: unknown) => void }[] = [];
  const dead = new Set<string>();
  let isLost = (_topic: string): boolean => false;
  const sizes: number[] = [];
  const busOf = (node: string): Bus => ({
    ...silentBus,
    publish(topic, message) {
      const text = JSON.stringify(message);
      sizes.push(text.length);
      if (dead.has(node) || isLost(topic)) return;
      for (const one of [...listeners])
        if (one.topic === topic && one.node !== node && !dead.has(one.node)) one.listener(JSON.parse(text));
    },
    subscribe: (topic, listener) => void listeners.push({ node, topic, listener }),
  });
  const nodes = ids.map((nodeId) => {
    const traffic = new Traffic(clock);
    return {
      traffic,
      watches: createWatches({ traffic, bus: busOf(nodeId), clock, nodeId, mayShowPayloads: nodeId !== 'production' }),
    };
  });
  const node = (index: number) => {
    const found = nodes[index];
    if (found === undefined) throw new Error(`there is no node ${index}`);
    return found;
  };
  return {
    node,
    sizes,
    kill: (id: string) => dead.add(id),
    lose: (loses: (topic: string) => boolean) => {
      isLost = loses;
    },
  };
}

/** A watcher that counts. */
function createWatcher() {
  const watcher = {
    records: [] as LiveRecord[],
    missed: 0,
    unwatched: new Set<string>(),
    isEnded: false,
    take: (record: LiveRecord) => void watcher.records.push(record),
    miss: (count: number) => {
      watcher.missed += count;
    },
    noteUnwatched: (node: string) => void watcher.unwatched.add(node),
    end: () => {
      watcher.isEnded = true;
    },
  };
  return watcher;
}

const emitAt = (traffic: Traffic, event: string): void => {
  if (traffic.isWatched) traffic.emitted({ event, args: [{}], namespace: '/v1/shared', isDurable: false });
};

describe('a watch over nodes', () => {
  test('receives each record of each node once, with its node', () => {
    const clock = createTestClock();
    const { node } = startNodes(clock, 'a', 'b', 'c');
    const watcher = createWatcher();
    node(0).watches.watch(everything, watcher);
    for (const index of [0, 1, 2]) emitAt(node(index).traffic, `of ${index}`);
    clock.advance(100);
    expect(watcher.records.map((record) => [record.node, record.event]).sort()).toEqual([
      ['a', 'of 0'],
      ['b', 'of 1'],
      ['c', 'of 2'],
    ]);
    expect(watcher.missed).toBe(0);
  });

  test('costs the other nodes nothing when the reader is gone', () => {
    const clock = createTestClock();
    const { node } = startNodes(clock, 'a', 'b');
    const end = node(0).watches.watch(everything, createWatcher());
    clock.advance(60_000);
    expect([node(0).traffic.isWatched, node(1).traffic.isWatched]).toEqual([true, true]);
    end();
    expect([node(0).traffic.isWatched, node(1).traffic.isWatched]).toEqual([false, false]);
    clock.advance(10_000);
    expect(node(1).traffic.isWatched).toBe(false);
  });

  test('costs the other nodes nothing five seconds after the node of the reader was killed', () => {
    const clock = createTestClock();
    const { node, kill, sizes } = startNodes(clock, 'a', 'b');
    node(0).watches.watch(everything, createWatcher());
    kill('a');
    clock.advance(5100);
    expect(node(1).traffic.isWatched).toBe(false);
    const before = sizes.length;
    emitAt(node(1).traffic, 'unseen');
    clock.advance(1000);
    // Only the renewals of the dead node, which reach no other.
    expect(sizes.slice(before).every((size) => size < 500)).toBe(true);
  });

  test('goes on when a watched node is killed, and includes a node that starts', () => {
    const clock = createTestClock();
    const { node, kill } = startNodes(clock, 'a', 'b', 'c');
    const watcher = createWatcher();
    kill('c');
    node(0).watches.watch(everything, watcher);
    kill('b');
    emitAt(node(1).traffic, 'lost');
    emitAt(node(0).traffic, 'kept');
    clock.advance(200);
    expect(watcher.records.map(({ event }) => event)).toEqual(['kept']);
  });

  test('of one node only watches that node', () => {
    const clock = createTestClock();
    const { node } = startNodes(clock, 'a', 'b', 'c');
    const [other, own] = [createWatcher(), createWatcher()];
    const end = node(0).watches.watch({ ...everything, node: 'b' }, other);
    expect([0, 1, 2].map((index) => node(index).traffic.watchers)).toEqual([0, 1, 0]);
    end();
    node(0).watches.watch({ ...everything, node: 'a' }, own);
    expect([0, 1, 2].map((index) => node(index).traffic.watchers)).toEqual([1, 0, 0]);
  });

  test('ends with its node, also when it watches another one', () => {
    const { node } = startNodes(createTestClock(), 'a', 'b');
    const watcher = createWatcher();
    node(0).watches.watch({ ...everything, node: 'b' }, watcher);
    node(0).watches.close();
    expect(watcher.isEnded).toBe(true);
  });

  test('of a flood receives 200 records a second from each node, and the exact number of the others', () => {
    const clock = createTestClock();
    const { node, sizes, lose } = startNodes(clock, 'a', 'b');
    const watcher = createWatcher();
    const end = node(0).watches.watch(everything, watcher);
    const flood = 100_000;
    let batches = 0;
    lose((topic) => {
      if (!topic.startsWith('traffic-records')) return false;
      batches += 1;
      return batches % 5 === 3;
    });
    for (let count = 0; count < flood; count += 1) {
      for (const index of [0, 1]) emitAt(node(index).traffic, `event ${count % 7}`.padEnd(128, 'x'));
      if (count % 1000 === 0) clock.advance(25);
    }
    lose(() => false);
    emitAt(node(1).traffic, 'last');
    clock.advance(1000);
    end();
    // 2.5 seconds begin at most four.
    expect(watcher.records.length).toBeLessThanOrEqual(2 * 4 * 200);
    expect(watcher.records.length + watcher.missed).toBe(2 * flood + 1);
    expect(Math.max(...sizes)).toBeLessThan(200 * 600);
  });

  test('costs a node the same for one reader and for many that ask the same, on any node', () => {
    const clock = createTestClock();
    const { node, sizes } = startNodes(clock, 'a', 'b', 'c');
    const ends: (() => void)[] = [];
    const watchers = [0, 0, 0, 1, 1, 2].map((index) => {
      const watcher = createWatcher();
      ends.push(
        node(index).watches.watch({ filter: { hasPayloads: false, event: 'one', userId: undefined } }, watcher),
      );
      return watcher;
    });
    expect([0, 1, 2].map((index) => node(index).traffic.watchers)).toEqual([1, 1, 1]);
    const before = sizes.length;
    emitAt(node(2).traffic, 'one');
    clock.advance(100);
    // One message to each node that has readers.
    expect(sizes.length - before).toBe(2);
    expect(watchers.map(({ records }) => records.map((record) => [record.node, record.event]))).toEqual(
      watchers.map(() => [['c', 'one']]),
    );
    ends.shift()?.();
    emitAt(node(0).traffic, 'one');
    clock.advance(100);
    expect(watchers.map(({ records }) => records.length)).toEqual([1, 2, 2, 2, 2, 2]);
    for (const end of ends) end();
    expect([0, 1, 2].map((index) => node(index).traffic.watchers)).toEqual([0, 0, 0]);
  });

  test('shows payloads up to a size, and none of a node in production', () => {
    const clock = createTestClock();
    const { node } = startNodes(clock, 'development', 'other', 'production');
    const watcher = createWatcher();
    node(0).watches.watch({ filter: { hasPayloads: true } }, watcher);
    for (const index of [0, 1, 2]) emitAt(node(index).traffic, 'small');
    node(1).traffic.emitted({ event: 'large', args: ['x'.repeat(20_000)], namespace: '/v1/shared', isDurable: false });
    clock.advance(100);
    const payloads = watcher.records.map((record) => [record.node, record.event, 'payload' in record]);
    expect(payloads.sort()).toEqual([
      ['development', 'small', true],
      ['other', 'large', false],
      ['other', 'small', true],
      ['production', 'small', false],
    ]);
  });

  test('is kept for 64 questions of other nodes at most', () => {
    const clock = createTestClock();
    const { node } = startNodes(clock, 'a', 'b');
    const watchers = Array.from({ length: 70 }, createWatcher);
    const ends = watchers.map((watcher, index) =>
      node(0).watches.watch({ filter: { hasPayloads: false, event: `e${index}` }, node: 'b' }, watcher),
    );
    expect(node(1).traffic.watchers).toBe(64);
    clock.advance(1500);
    const areTold = watchers.map(({ unwatched }) => unwatched.has('b'));
    expect(areTold).toEqual(watchers.map((_, index) => index >= 64));

    // Readers of a question that was refused are told too when they come later.
    const late = createWatcher();
    ends.push(node(0).watches.watch({ filter: { hasPayloads: false, event: 'e64' }, node: 'b' }, late));
    clock.advance(1500);
    expect([...late.unwatched]).toEqual(['b']);

    // One that was refused takes part as soon as there is a place.
    ends.shift()?.();
    clock.advance(1500);
    expect(node(1).traffic.watchers).toBe(64);
    emitAt(node(1).traffic, 'e64');
    clock.advance(100);
    expect([watchers[64]?.records.length, late.records.length]).toEqual([1, 1]);
    for (const end of ends) end();
    expect(node(1).traffic.watchers).toBe(0);
  });
});
