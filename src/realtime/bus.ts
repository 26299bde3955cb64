import type { Redis } from '../platform/redis/connect.js';

/** Fire-and-forget pub/sub between nodes. Messages can be lost; subscribers must recover. */
export interface Bus {
  /** To every other node that subscribes to the topic. */
  publish(topic: string, message: unknown): void;
  /** @param listener gets the messages of other nodes */
  subscribe(topic: string, listener: (message: unknown) => void): void;
}

/** The bus of a single node. */
export const silentBus: Bus = { publish: () => undefined, subscribe: () => undefined };

interface Options {
  redis: Redis;
  nodeId: string;
  keyPrefix: string;
  /** A message of this node has come back. */
  onEcho: (lagMs: number) => void;
}

/**
 * Over Redis. Messages are JSON with the id of their node, so that a node ignores its own. They also have the time of their
 * node, by which the node measures how long its own take to come back; no clocks are compared.
 */
export function createRedisBus({ redis, nodeId, keyPrefix, onEcho }: Options): Bus {
  const channelOf = (topic: string): string => `${keyPrefix}bus:${topic}`;
  return {
    publish(topic, message) {
      void redis.publisher.publish(channelOf(topic), JSON.stringify([nodeId, message, performance.now()]));
    },
    subscribe(topic, listener) {
      const receive = (bytes: Buffer): void => {
        const parsed: unknown = JSON.parse(bytes.toString());
        if (!Array.isArray(parsed)) throw new Error('not a message of the bus');
        const [sender, message, sentAtMs]: unknown[] = parsed;
        if (sender !== nodeId) listener(message);
        else if (typeof sentAtMs === 'number') onEcho(performance.now() - sentAtMs);
      };
      void redis.subscriber.subscribe(channelOf(topic), receive, true);
    },
  };
}
