import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { connectRedis, type Redis } from '../../../src/platform/redis/connect.js';
import { createRouter, type Router } from '../../../src/realtime/routing/router.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

const logger = pino({ enabled: false });

/** A node that consists of a router only. */
export interface RouterNode {
  readonly redis: Redis;
  readonly router: Router;
  /** What it was sent, in order. */
  readonly received: string[];
  /** Messages of other nodes that it has read. */
  reads(): number;
  /** Messages that it noticed did not arrive. */
  lost(): number;
  /** Sends a text to the nodes that hold any of the rooms. */
  send(text: string, ...rooms: string[]): void;
  /** Ends, and leaves everything in Redis. */
  kill(): Promise<void>;
}

/** Routers that share a Redis. */
export interface RouterCluster {
  readonly server: TestRedis;
  start(): Promise<RouterNode>;
  /** Resolves when every node has received everything that any node has published before. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export async function createRouterCluster(): Promise<RouterCluster> {
  const server = await startRedis();
  const nodes = new Set<RouterNode>();
  return {
    server,
    async start() {
      let lost = 0;
      let reads = 0;
      const redis = await connectRedis({
        ...{ url: server.url, prefix: 'test', startupTimeoutMs: 120_000, logger },
        onMessageLost: () => {
          lost += 1;
        },
      });
      const router = createRouter({
        ...{ redis, nodeId: randomUUID(), keyPrefix: 'test:', onEcho: () => undefined },
        onRead: () => {
          reads += 1;
        },
      });
      const received: string[] = [];
      router.listen('text', (text) => void received.push(String(text)));
      await redis.join();
      const node: RouterNode = {
        ...{ redis, router, received, reads: () => reads, lost: () => lost },
        send(text, ...rooms) {
          const routes = router.routesOf(rooms);
          if (routes === undefined) throw new Error(`${rooms.join()} is not routed`);
          void router.send([{ item: JSON.stringify(['text', text]), routes }]);
        },
        async kill() {
          nodes.delete(node);
          await redis.close();
        },
      };
      nodes.add(node);
      // The others know it, and it knows them.
      await until(() => [...nodes].every((one) => one.redis.publisher.expected() >= nodes.size));
      return node;
    },
    async settle() {
      // Redis answers in order on each connection: publishers first, then the self-check of each subscriber.
      for (const { redis } of nodes) await redis.publisher.sendCommand(['PING']);
      for (const { redis } of nodes) await redis.ping();
    },
    async close() {
      for (const { router, redis } of nodes) {
        await router.stop();
        await redis.close();
      }
      await server.dispose();
    },
  };
}
