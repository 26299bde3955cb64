import { createHash } from 'node:crypto';
import { createClient } from 'redis';
import { expect, test, vi } from 'vitest';
import { createPresenceCommands } from '../../../src/realtime/presence/commands.js';
import { createRateLimiter } from '../../../src/realtime/rate-limit.js';
import { createRouterCluster } from '../../realtime/routing/routers.js';
import { until } from '../../support/until.js';

/** The digests of all scripts. */
const defined = vi.hoisted(() => new Set<string>());
function shaOf(lua: string): string {
  return createHash('sha1').update(lua).digest('hex');
}

vi.mock('../../../src/platform/redis/script.js', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../../src/platform/redis/script.js')>();
  const defineScript: typeof original.defineScript = (lua, ...options) => {
    defined.add(shaOf(lua));
    return original.defineScript(lua, ...options);
  };
  return { ...original, defineScript };
});

/** A command as `MONITOR` reports it: who has sent it, and its words. */
function parse(line: string): { isOfScript: boolean; words: string[] } {
  const [, sender = '', rest = ''] = /^\S+ \[\d+ (.*?)\] (.*)$/s.exec(line) ?? [];
  const words = [...rest.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map(([, word = '']) => word.replace(/\\(["\\])/g, '$1'));
  return { isOfScript: sender === 'lua', words };
}

test('every script declares each key that it touches', async () => {
  const cluster = await createRouterCluster();
  const monitor = createClient({ url: cluster.server.url });
  const lines: string[] = [];
  try {
    await monitor.connect();
    await monitor.monitor((line) => lines.push(line.toString()));

    const [first, second] = [await cluster.start(), await cluster.start()];
    for (const room of ['user:a', 'user:b', 'account:c']) second.router.hold(room);
    await second.router.confirmed(['user:a', 'user:b', 'account:c']);
    const routed = { item: '["text","m"]', retained: '["text","r"]', routes: ['user:a', 'account:c'] };
    await first.router.send([routed, { item: '["text","m"]', routes: ['user:b'] }], async () => false);
    await first.router.recall(['user:a', 'user:b']);
    second.router.release('user:b');
    await cluster.settle();
    await second.kill();
    await cluster.endLease(second);
    const routes = 'test:{test:members}:routes:';
    await until(async () => (await cluster.server.command('EXISTS', `${routes}holders-of:user:a`)) === 0);
    await first.router.stop();

    const { redis } = first;
    const options = { redis, keyPrefix: 'test:{0}:', graceMs: 0, leaseMs: 1 };
    const [commands, other] = ['one', 'other'].map((nodeId) => createPresenceCommands({ ...options, nodeId }));
    if (commands === undefined || other === undefined) throw new Error('no commands');
    const renewal = { limit: 10, leasedSince: '' };
    const users = ['ann', 'bob'].map((userId) => ({ userId, accountId: 'a', socketId: `of-${userId}` }));
    for (const node of [commands, other]) await node.renew(1, renewal);
    const additions = users.map((user) => ({ kind: 'add' as const, socket: { ...user, connectedAt: 1 } }));
    await commands.change(additions, 1);
    await commands.change(
      users.map((socket) => ({ kind: 'remove' as const, socket })),
      1,
    );
    await commands.leaveAgain(users, 0);
    await commands.change(additions, 1);
    await commands.read(['ann', 'bob', 'none']);
    await commands.readPresent(['ann', 'none']);
    await commands.hasSockets();
    await commands.placesOf('ann');
    await commands.socketsOf('ann', { limit: 10 });
    await commands.nodes();
    let dead: string[] = [];
    await until(async () => {
      ({ deadNodes: dead } = await other.renew(1, renewal));
      return dead.includes('one');
    });
    for await (const _ of other.reap('one'));
    await until(async () => (await other.renew(1, { ...renewal, leasedSince: '' })).deadNodes.length <= 1);
    await other.confirm(users);

    const limiter = createRateLimiter({ redis, keyPrefix: 'test:' });
    const limit = { points: 2, windowMs: 60_000 };
    await limiter.consume({ name: 'calls', key: 'ann', limit });
    await limiter.refund({ name: 'calls', key: 'ann', limit });

    await cluster.server.command('ECHO', 'the end');
    await until(() => lines.some((line) => line.includes('"the end"')));
    let declared = new Set<string>();
    const ran = new Set<string>();
    const undeclared = new Set<string>();
    for (const line of lines) {
      const { isOfScript, words } = parse(line);
      if (isOfScript) {
        const keys = await cluster.server.command('COMMAND', 'GETKEYS', ...words).catch(() => []);
        for (const key of keys as string[]) if (!declared.has(key)) undeclared.add(`${words[0]} ${key}`);
      } else if (/^eval(?:sha)?$/i.test(words[0] ?? '')) {
        const [, script = '', count] = words;
        ran.add(/^[0-9a-f]{40}$/.test(script) ? script : shaOf(script));
        declared = new Set(words.slice(3, 3 + Number(count)));
      }
    }
    expect([...undeclared]).toEqual([]);
    expect([...ran].filter((sha) => defined.has(sha)).toSorted()).toEqual([...defined].toSorted());
  } finally {
    monitor.destroy();
    await cluster.close();
  }
});
