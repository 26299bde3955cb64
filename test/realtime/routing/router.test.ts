import { createClient } from 'redis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTcpProxy } from '../../support/tcp-proxy.js';
import { until } from '../../support/until.js';
import { createRouterCluster, EVERY_NODE, type RouterCluster, type RouterNode } from './routers.js';

let cluster: RouterCluster;
let nodes: RouterNode[];

beforeEach(async () => {
  cluster = await createRouterCluster();
  nodes = [await cluster.start(), await cluster.start(), await cluster.start()];
});
afterEach(() => cluster.close());

const never = async (): Promise<boolean> => false;

const node = (index: number): RouterNode => nodes[index] as RouterNode;

async function hold(index: number, room: string): Promise<void> {
  node(index).router.hold(room);
  await node(index).router.confirmed([room]);
}

test('sends to the nodes that hold a room, in order, and to no other', async () => {
  await hold(1, 'user:a');
  const texts = Array.from({ length: 200 }, (_, n) => String(n));
  for (const text of texts) node(0).send(text, 'user:a');
  await cluster.settle();
  expect(node(1).received).toEqual(texts);
  expect([node(0).reads(), node(2).reads()]).toEqual([0, 0]);
});

test('sends one message to each node that a batch concerns', async () => {
  const users = Array.from({ length: 100 }, (_, n) => `user:${n}`);
  await Promise.all(users.map((user, n) => hold(1 + (n % 2), user)));
  await node(0).sendNames(users);
  await cluster.settle();
  expect([node(1).reads(), node(2).reads()]).toEqual([1, 1]);
  expect(node(1).received).toEqual(users.filter((_user, n) => n % 2 === 0));
  expect(node(2).received).toEqual(users.filter((_user, n) => n % 2 === 1));
});

test('sends what several calls send in one turn as one message, and tells each whether its rooms are held', async () => {
  await hold(1, 'user:a');
  const send = (room: string) => node(0).sendNames([room]);
  const sent = await Promise.all(['user:a', 'user:offline', 'user:a'].map(send));
  expect(sent.map(({ areHeld }) => areHeld)).toEqual([[true], [false], [true]]);
  await cluster.settle();
  expect(node(1).received).toEqual(['user:a', 'user:a']);
  expect(node(1).reads()).toBe(1);
});

test('keeps the order with messages to all nodes that are published in the same turn', async () => {
  await hold(1, 'user:a');
  const { subscriber } = node(1).redis;
  await subscriber.subscribe('to-all', (text) => void node(1).received.push(text.toString()), true);
  const expected: string[] = [];
  for (let round = 0; round < 20; round += 1) {
    const texts = ['1', '2', 'all', '3'].map((text) => `${round} ${text}`);
    expected.push(...texts);
    for (const text of texts) {
      if (text.endsWith('all')) void node(0).redis.publisher.publish('to-all', text);
      else node(0).send(text, 'user:a');
    }
    if (round % 2 === 0) await new Promise(setImmediate);
  }
  await cluster.settle();
  expect(node(1).received).toEqual(expected);
});

test('sends a message to several rooms once to a node that holds more than one of them', async () => {
  await Promise.all([hold(1, 'user:a'), hold(1, 'user:b'), hold(2, 'user:b')]);
  node(0).send('both', 'user:a', 'user:b', 'user:offline');
  await cluster.settle();
  expect([node(1).received, node(2).received]).toEqual([['both'], ['both']]);
});

test('delivers what is sent right after a room is confirmed', async () => {
  for (let round = 0; round < 1000; round += 1) {
    const [to, from] = [round % 3, (round + 1 + (round % 2)) % 3];
    const room = `user:${round % 7}`;
    await hold(to, room);
    node(from).send(`${round}`, room);
    // Released at different times, also before the message can have arrived: then it is not owed.
    if (round % 2 === 0) {
      await cluster.settle();
      expect(node(to).received.at(-1)).toBe(`${round}`);
    }
    node(to).router.release(room);
  }
});

test('counts a namespace for each hold: a room is held until all have released it', async () => {
  await hold(1, 'user:a');
  node(1).router.hold('user:a');
  node(1).router.release('user:a');
  node(0).send('still', 'user:a');
  await cluster.settle();
  expect(node(1).received).toEqual(['still']);
  node(1).router.release('user:a');
  await until(
    async () => (await cluster.server.command('EXISTS', 'test:{test:members}:routes:holders-of:user:a')) === 0,
  );
  node(0).send('gone', 'user:a');
  await cluster.settle();
  expect(node(1).reads()).toBe(1);
});

test('sends to every node while Redis has lost the directory, then routes again', async () => {
  await hold(1, 'user:a');
  await cluster.server.command('FLUSHALL');
  node(0).send('during', 'user:a');
  await cluster.settle();
  expect(node(1).received).toEqual(['during']);
  await until(async () => (await cluster.server.command('SCARD', 'test:{test:members}:routes:holders')) === 3);
  const before = node(2).reads();
  node(0).send('after', 'user:a');
  await cluster.settle();
  expect(node(1).received).toEqual(['during', 'after']);
  expect([before, node(2).reads()]).toEqual([1, 1]);
});

test('registers everything again after Redis was restarted, before it counts as ready', async () => {
  const users = Array.from({ length: 3000 }, (_, n) => `user:${n}`);
  await Promise.all(users.map((user) => hold(1, user)));
  await cluster.server.stop();
  await until(() => nodes.every(({ redis }) => !redis.isReady()));
  // No call waits for a Redis that is away.
  await hold(2, 'user:newcomer');
  await cluster.server.start();
  await until(() => nodes.every(({ redis }) => redis.isReady()));
  await node(0).sendNames(users);
  node(0).send('newcomer', 'user:newcomer');
  await cluster.settle();
  expect(node(1).received).toEqual(users);
  expect(node(2).received).toEqual(['newcomer']);
  expect([node(1).reads(), node(2).reads()]).toEqual([1, 1]);
});

/** Redis is ended, and comes back as it was when it was saved. */
async function loseWritesAfter(save: () => Promise<unknown>, write: () => Promise<unknown>): Promise<void> {
  await save();
  await cluster.server.command('SAVE');
  await write();
  await cluster.server.stop();
  await cluster.server.start();
}

test('registers again what Redis has lost with its last writes', async () => {
  await loseWritesAfter(
    () => hold(1, 'user:a'),
    () => hold(1, 'user:late'),
  );
  await until(() => nodes.every(({ redis }) => redis.isReady()));
  for (const user of ['user:a', 'user:late']) node(0).send(user, user);
  await cluster.settle();
  expect(node(1).received).toEqual(['user:a', 'user:late']);
});

test('counts a message as lost when Redis has lost a registration of a node that is not back yet', async () => {
  const proxy = await startTcpProxy(cluster.server.port);
  nodes.push(await cluster.start(proxy.port));
  await loseWritesAfter(
    () => hold(3, 'user:a'),
    async () => {
      await hold(3, 'user:late');
      await proxy.cut();
    },
  );
  const others = nodes.slice(0, 3);
  await until(() => others.every(({ redis }) => redis.isReady()));
  const lostBefore = node(0).lost();
  await node(0).sendNames(['user:late']);
  expect(node(0).lost()).toBe(lostBefore + 1);
  await proxy.restore();
  await until(() => node(3).redis.isReady());
  node(0).send('back', 'user:late');
  await cluster.settle();
  expect(node(3).received).toEqual(['back']);
  await node(3).kill();
  await proxy.cut();
});

test('routes also when it may not ask Redis which process it is', async () => {
  await cluster.server.command('ACL', 'SETUSER', 'default', '-info');
  await cluster.server.command('FLUSHALL');
  await until(async () => (await holdersOf()).length === 3);
  await until(() => nodes.every(({ redis }) => redis.isReady()));
  await hold(1, 'user:a');
  node(0).send('text', 'user:a');
  await cluster.settle();
  expect([node(1).received, node(2).reads()]).toEqual([['text'], 0]);
});

test('removes the rooms of a node that was killed, and not those of one that is only late', async () => {
  await Promise.all([hold(1, 'user:a'), hold(2, 'user:b')]);
  const [first, second, third] = await holdersOf();
  expect([first, second, third].every(Boolean)).toBe(true);
  // All leases are over; the nodes are still subscribed.
  for (const holder of await holdersOf())
    await cluster.server.command('ZADD', 'test:{test:members}:routes:leases', '1', holder);
  node(0).send('late', 'user:b');
  await cluster.settle();
  await cluster.settle();
  expect(node(2).received).toEqual(['late']);
  await node(1).kill();
  await cluster.endLease(node(1));
  nodes = [node(0), node(2)];
  await until(
    async () => (await cluster.server.command('EXISTS', 'test:{test:members}:routes:holders-of:user:a')) === 0,
  );
  await until(async () => (await cluster.server.command('EXISTS', 'test:{test:members}:routes:dead')) === 0);
  expect(await holdersOf()).toHaveLength(2);
});

const holdersOf = async () =>
  (await cluster.server.command('SMEMBERS', 'test:{test:members}:routes:holders')) as string[];

test('counts each message as lost when a node that holds the room is not subscribed, also of one turn', async () => {
  await hold(1, 'user:a');
  expect(node(0).lost()).toBe(0);
  await node(1).kill();
  nodes = [node(0), node(2)];
  for (const text of ['one', 'two', 'three']) node(0).send(text, 'user:a');
  node(0).send('for an unknown user', 'user:unknown');
  await cluster.settle();
  expect(node(0).lost()).toBe(3);
});

/** Sends texts to a holder in many turns of the event loop; the change comes when some were received. */
async function sendDuring(count: number, change: () => unknown): Promise<string[]> {
  const texts = Array.from({ length: count }, (_, n) => String(n));
  for (const [n, text] of texts.entries()) {
    if (n === 100) {
      await until(() => node(1).received.length === n);
      await change();
    }
    node(0).send(text, 'user:a');
    await new Promise((resolve) => setImmediate(resolve));
  }
  await cluster.settle();
  await cluster.settle();
  return texts;
}

test('nothing is lost or changes its order when Redis has lost its scripts', async () => {
  await hold(1, 'user:a');
  const texts = await sendDuring(300, () => cluster.server.command('SCRIPT', 'FLUSH'));
  expect(node(1).received).toEqual(texts);
  expect(node(1).unrouted).not.toEqual([]);
  expect(node(1).unrouted.length).toBeLessThan(300);
  expect(node(0).lost()).toBe(0);
});

test('sends to all nodes from when a node of an earlier version is subscribed, before it is a member', async () => {
  await hold(1, 'user:a');
  const earlier = createClient({ url: cluster.server.url }).on('error', () => undefined);
  await earlier.connect();
  const heard: string[] = [];
  let subscribed: Promise<unknown> = Promise.resolve();
  const texts = await sendDuring(300, () => {
    subscribed = earlier.subscribe(EVERY_NODE, (message) => void heard.push(JSON.parse(message)[1]));
  });
  await subscribed;
  node(0).send('later', 'user:a');
  await until(() => heard.includes('later'));
  expect(node(1).received).toEqual([...texts, 'later']);
  // It gets everything since its subscription was confirmed.
  expect(heard).toEqual(node(1).unrouted);
  expect(heard).toEqual([...texts, 'later'].slice(-heard.length));
  expect(heard.length).toBeLessThanOrEqual(201);
  await earlier.close();
  await until(async () => {
    const unrouted = node(1).unrouted.length;
    node(0).send('again', 'user:a');
    await cluster.settle();
    return node(1).received.at(-1) === 'again' && node(1).unrouted.length === unrouted;
  });
});

test('a node that begins to hold a room gets the last retained message, and another one by a recall', async () => {
  const item = JSON.stringify(['text', 'content']);
  const retained = JSON.stringify(['text', 'position']);
  await node(0).router.send([{ item, retained, routes: ['user:a'] }], never);
  await hold(1, 'user:a');
  expect(node(1).received).toEqual(['position']);
  await node(2).router.recall(['user:a', 'user:b']);
  expect(node(2).received).toEqual(['position']);
  // Its holder was told when it was sent.
  await node(1).router.recall(['user:a']);
  expect(node(1).received).toEqual(['position']);
});

test('an item that is retained as it is reaches the nodes that hold the room, and later ones', async () => {
  await hold(1, 'user:a');
  const item = JSON.stringify(['text', 'place']);
  await node(0).router.send([{ item, retained: item, routes: ['user:a'] }], never);
  await expect.poll(() => node(1).received).toEqual(['place']);
  await hold(2, 'user:a');
  expect(node(2).received).toEqual(['place']);
});

test('a node can ask which nodes hold a room', async () => {
  await Promise.all([hold(0, 'user:a'), hold(1, 'user:a'), hold(1, 'user:b')]);
  const idOf = (index: number): string => node(index).id;
  expect(new Set(await node(0).router.holdersOf('user:a'))).toEqual(new Set([idOf(0), idOf(1)]));
  expect(await node(0).router.holdersOf('user:b')).toEqual([idOf(1)]);
  expect(await node(0).router.holdersOf('user:offline')).toEqual([]);
});

test('a recall tells which rooms another node holds, unless a node is missing in the directory', async () => {
  await Promise.all([hold(0, 'user:own'), hold(1, 'user:a')]);
  expect(await node(0).router.recall(['user:own', 'user:a', 'user:offline'])).toEqual(
    new Map([
      ['user:a', true],
      ['user:offline', false],
    ]),
  );
  expect(node(0).router.recall(['user:own'])).toBeUndefined();
  await cluster.server.command('DEL', 'test:{test:members}:routes:holders');
  expect(await node(0).router.recall(['user:a', 'user:offline'])).toEqual(new Map());
});

test('a node can ask which rooms may be held: all of them when a node is missing in the directory', async () => {
  await Promise.all([hold(0, 'user:own'), hold(1, 'user:a')]);
  const rooms = ['user:own', 'user:a', 'user:offline'];
  expect(await node(0).router.mayBeHeld(rooms)).toEqual(new Set(['user:own', 'user:a']));
  expect(await node(2).router.mayBeHeld(rooms)).toEqual(new Set(['user:own', 'user:a']));
  await cluster.server.command('DEL', 'test:{test:members}:routes:holders');
  expect(await node(0).router.mayBeHeld(rooms)).toEqual(new Set(rooms));
});

test('a node can ask whether another node may hold a room, and gets none of its retained messages again', async () => {
  await Promise.all([hold(0, 'user:own'), hold(0, 'user:both'), hold(1, 'user:both')]);
  expect(await node(0).router.mayBeHeldElsewhere('user:own')).toBe(false);
  await node(1).router.send([{ item: '["text","once"]', retained: '["text","once"]', routes: ['user:both'] }], never);
  expect(await node(0).router.mayBeHeldElsewhere('user:both')).toBe(true);
  await cluster.settle();
  expect(node(0).received).toEqual(['once']);
  await cluster.server.command('DEL', 'test:{test:members}:routes:holders');
  expect(await node(0).router.mayBeHeldElsewhere('user:own')).toBe(true);
});

test('routes only rooms that a socket enters while it connects', () => {
  const { router } = node(0);
  expect(router.routesOf(['user:a', 'visitor:b', 'account:c'])).toEqual(['user:a', 'visitor:b', 'account:c']);
  expect(router.routesOf(['listener:64abc:user:a', 'user:a'])).toEqual(['user:a']);
  for (const room of ['group:all', 'dept_1', 'site:x', 'scraper:1', 'chat-left:1', 'K0vZ0aBcDeFgHiJkAAAB'])
    expect(router.routesOf(['user:a', room])).toBeUndefined();
  expect(router.routesOf([])).toBeUndefined();
});
