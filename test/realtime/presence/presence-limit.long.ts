import { fork } from 'node:child_process';
import { once } from 'node:events';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { connectRedis } from '../../../src/platform/redis/connect.js';
import { systemClock } from '../../../src/platform/time/clock.js';
import { PRESENCE_LIMIT_MS } from '../../../src/realtime/presence/index.js';
import { createRedisPresence } from '../../../src/realtime/presence/redis.js';
import { startRedis } from '../../support/redis-server.js';
import { compiled } from '../../support/script.js';
import { until } from '../../support/until.js';

test('takes the sockets of a node killed with SIGKILL for gone within the limit, with the lease of production', async () => {
  const server = await startRedis();
  const logger = pino({ enabled: false });
  const redis = await connectRedis({ url: server.url, prefix: 'test', startupTimeoutMs: 120_000, logger });
  const store = createRedisPresence({
    redis,
    clock: systemClock,
    logger,
    nodeId: 'survivor',
    keyPrefix: 'test:',
    graceMs: 100,
  });
  const lost: string[] = [];
  const ignore = (): void => undefined;
  const onLost = (sockets: { socketId: string }[]) => lost.push(...sockets.map(({ socketId }) => socketId));
  await store.start({ online: ignore, offline: ignore, lost: onLost, restored: ignore });

  const path = compiled('test/realtime/presence/fixtures/presence-node.ts');
  const userIds = Array.from({ length: 500 }, (_, i) => `user-${i}`);
  const child = fork(path, [server.url, 'test:', '9000', ...userIds], { execArgv: [] });
  await once(child, 'message');
  expect((await store.get(userIds)).every(({ online }) => online)).toBe(true);

  child.kill('SIGKILL');
  await once(child, 'exit');
  const killedAt = performance.now();
  await until(async () => lost.length === userIds.length && (await store.get(userIds)).every(({ online }) => !online));
  expect(performance.now() - killedAt).toBeLessThan(PRESENCE_LIMIT_MS);
  await store.stop();
  await redis.close();
  await server.dispose();
});
