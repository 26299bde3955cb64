import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { type SentItems, toEveryNodeChannel } from '../../../src/library-internals/redis-adapter.js';
import { connectRedis, type Redis } from '../../../src/platform/redis/connect.js';
import { createRouter, type Router } from '../../../src/realtime/routing/router.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

/** Nodes of every version subscribe to it. */
export const EVERY_NODE = toEveryNodeChannel('test');
const LEASES = 'test:{test:members}:routes:leases';
const logger = pino({ enabled: false });

/** A node that consists of a router only. */
export interface RouterNode {
  readonly id: string;
  readonly redis: Redis;
  readonly router: Router;
  /** What it was sent, in order. */
  readonly received: string[];
  /** What of that was sent to all nodes, because it could not be routed. */
  readonly unrouted: string[];
  /** Messages of other nodes that it has read. */
  reads(): number;
  /** Messages that it noticed did not arrive. */
  lost(): number;
  /** Sends a text to the nodes that hold any of the rooms. */
  send(text: string, ...rooms: string[]): void;
  /** Sends each room its own name, as one batch. */
  sendNames(rooms: readonly string[]): Promise<SentItems>;
  /** Sends a text to all nodes, as what is not routed. */
  sendToAll(text: string): Promise<boolean>;
  /** Ends, and leaves everything in Redis. */
  kill(): Promise<void>;
}

/** Routers that share a Redis. */
export interface RouterCluster {
  readonly server: TestRedis;
  /** @param port where it reaches Redis; absent: that of the server */
  start(port?: number): Promise<RouterNode>;
  /** The lease of a node that was killed is over. */
  endLease(node: RouterNode): Promise<void>;
  /** Resolves when every node has received everything that any node has published before. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** @param given how the nodes reach a Redis that is not one of their own */
export async function createRouterCluster(given?: { readonly url: string }): Promise<RouterCluster> {
  const server = await startRedis();
  const nodes = new Set<RouterNode>();
  return {
    server,
    async start(port = server.port) {
      let lost = 0;
      let reads = 0;
      const redis = await connectRedis({
        url: given?.url ?? `redis://127.0.0.1:${port}`,
        prefix: 'test',
        startupTimeoutMs: 120_000,
        logger,
        onMessagesLost: (messages) => {
          lost += messages;
        },
      });
      const nodeId = randomUUID();
      const router = createRouter({
        redis,
        nodeId,
        keyPrefix: 'test:',
        everyNodeChannel: EVERY_NODE,
        onEcho: () => undefined,
        onRead: () => {
          reads += 1;
        },
      });
      const received: string[] = [];
      const unrouted: string[] = [];
      router.listen('text', (text) => void received.push(String(text)));
      const receive = (message: Buffer): void => {
        const [sender, text] = JSON.parse(message.toString());
        if (sender === nodeId) return;
        received.push(text);
        unrouted.push(text);
      };
      void redis.subscriber.subscribe(EVERY_NODE, receive, true);
      await redis.join();
      const sendToAll = async (text: string): Promise<boolean> =>
        (await redis.publisher.publish(EVERY_NODE, JSON.stringify([nodeId, text]))) > 0;
      const node: RouterNode = {
        id: nodeId,
        redis,
        router,
        received,
        unrouted,
        reads: () => reads,
        lost: () => lost,
        sendToAll,
        send(text, ...rooms) {
          const routes = router.routesOf(rooms);
          if (routes === undefined) void sendToAll(text);
          else void router.send([{ item: JSON.stringify(['text', text]), routes }], () => sendToAll(text));
        },
        sendNames: (rooms) =>
          router.send(
            rooms.map((room) => ({ item: JSON.stringify(['text', room]), routes: [room] })),
            async () => (await Promise.all(rooms.map(sendToAll))).every(Boolean),
          ),
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
    async endLease({ id }) {
      for (const holder of (await server.command('ZRANGE', LEASES, '0', '-1')) as string[])
        if (holder.startsWith(`${id}/`)) await server.command('ZADD', LEASES, 'XX', '1', holder);
    },
    async settle() {
      // Redis answers in order on each connection: publishers first, then the self-check of each subscriber.
      for (const { redis } of nodes) await redis.publisher.sendCommand(['PING']);
      // On a loaded machine a self-check can exceed its time limit.
      for (const { redis } of nodes) await until(() => redis.ping().then(isDone, isNotDone));
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

const isDone = (): boolean => true;
const isNotDone = (): boolean => false;
