import type { z } from 'zod';
import type { SentItems } from '../library-internals/redis-adapter.js';
import type { Redis } from '../platform/redis/connect.js';
import { safeParse } from '../validation.js';
import type { Router } from './routing/router.js';

/** Messages to the nodes that hold a room. */
export interface RoomMessages {
  readonly room: string;
  readonly messages: readonly unknown[];
  /** Kept for about two minutes for nodes that hold the room later: see {@link Bus.recall}. */
  readonly retained?: unknown;
}

/** Fire-and-forget pub/sub between nodes. Messages can be lost; subscribers must recover. */
export interface Bus {
  /** To every other node that subscribes to the topic. */
  publish(topic: string, message: unknown): void;
  /** To one other node. A node that is not subscribed to its own channel gets it as a message to all. */
  publishTo(nodeId: string, topic: string, message: unknown): void;
  /**
   * To every other node that subscribes to the topic and holds the room of messages. A node that begins to hold a room gets the
   * last retained message. Subscribers get a list of messages. Never rejects.
   */
  publishToRooms(topic: string, messages: readonly RoomMessages[]): Promise<SentItems>;
  /**
   * This node's subscribers get the retained messages of rooms that it does not hold; it was sent the others. Never rejects.
   * @returns for those rooms whether another node holds them, as far as that is known; `undefined`: there are none
   */
  recall(rooms: readonly string[]): Promise<ReadonlyMap<string, boolean>> | undefined;
  /**
   * Those of the rooms of users that a node may hold. A client whose CONNECT is confirmed later reads what was stored before.
   * Never rejects.
   */
  mayBeHeld(rooms: readonly string[]): Promise<ReadonlySet<string>>;
  /** Whether another node may hold the room of a user. Never rejects. */
  mayBeHeldElsewhere(room: string): Promise<boolean>;
  /** The nodes that hold a room, this one included, as far as that is known. Dead ones may be among them. Never rejects. */
  holdersOf(room: string): Promise<readonly string[]>;
  /** @param listener gets the messages of other nodes */
  subscribe(topic: string, listener: (message: unknown) => void): void;
  /** Grows when this node may have missed messages; `undefined`: it may miss some now. */
  gaps(): number | undefined;
}

/** A listener for messages of one form. Others, which a node of a later version may send, are ignored. */
export const ofForm =
  <S extends z.ZodType>(form: S, listener: (message: z.output<S>) => void) =>
  (message: unknown): void => {
    const parsed = safeParse(form, message);
    if (parsed.success) listener(parsed.data);
  };

const NO_ROOMS: ReadonlySet<string> = new Set();

/** The bus of a single node. It knows of no rooms: those of this node are in its adapters. */
export const silentBus: Bus = {
  publish: () => undefined,
  publishTo: () => undefined,
  publishToRooms: async (_topic, messages) => ({ isComplete: true, areHeld: messages.map(() => false) }),
  recall: () => undefined,
  mayBeHeld: async () => NO_ROOMS,
  mayBeHeldElsewhere: async () => false,
  holdersOf: async () => [],
  subscribe: () => undefined,
  gaps: () => 0,
};

interface Options {
  redis: Redis;
  nodeId: string;
  keyPrefix: string;
  router: Router;
  /** A message of another node was read. */
  onRead: () => void;
  /** A message of this node has come back. */
  onEcho: (lagMs: number) => void;
}

/**
 * Over Redis. Messages are JSON with the id of their node, so that a node ignores its own. They also have the time of their
 * node, by which the node measures how long its own take to come back; no clocks are compared.
 */
export function createRedisBus({ redis, nodeId, keyPrefix, router, onRead, onEcho }: Options): Bus {
  const channelOf = (topic: string): string => `${keyPrefix}bus:${topic}`;
  const kindOf = (topic: string): string => `bus:${topic}`;
  /** How the messages of this node begin. They are not parsed when they come back. */
  const ownStart = `["${nodeId}",`;
  const send = (topic: string, message: unknown): Promise<number> =>
    redis.publisher.publish(channelOf(topic), JSON.stringify([nodeId, message, performance.now()]));
  return {
    publish: (topic, message) => void send(topic, message),
    publishTo(to, topic, message) {
      const sent = router.sendTo(to, JSON.stringify([kindOf(topic), message]));
      // An earlier version reads only what is sent to all.
      void sent.then((isReached) => (isReached ? undefined : send(topic, message)));
    },
    async publishToRooms(topic, all) {
      if (all.length === 0) return { isComplete: true, areHeld: [] };
      const toItem = (messages: readonly unknown[]): string => JSON.stringify([kindOf(topic), messages]);
      const items = all.flatMap(({ room, messages, retained }) => {
        const routes = router.routesOf([room]);
        if (routes === undefined) return [];
        const item = toItem(messages);
        if (retained === undefined) return { item, routes };
        const isAll = messages.length === 1 && messages[0] === retained;
        return { item, routes, retained: isAll ? item : toItem([retained]) };
      });
      const toAll = async (): Promise<boolean> => {
        const receivers = await send(
          topic,
          all.flatMap(({ messages }) => messages),
        );
        return receivers > 0;
      };
      if (items.length === all.length) return router.send(items, toAll);
      return { isComplete: await toAll(), areHeld: undefined };
    },
    recall: router.recall,
    mayBeHeld: router.mayBeHeld,
    mayBeHeldElsewhere: router.mayBeHeldElsewhere,
    holdersOf: router.holdersOf,
    gaps: router.gaps,
    subscribe(topic, listener) {
      const receive = (bytes: Buffer): void => {
        if (bytes.toString('latin1', 0, ownStart.length) === ownStart) {
          onEcho(performance.now() - sentAtOf(bytes));
          return;
        }
        const parsed: unknown = JSON.parse(bytes.toString());
        if (!Array.isArray(parsed)) throw new Error('not a message of the bus');
        onRead();
        listener(parsed[1]);
      };
      void redis.subscriber.subscribe(channelOf(topic), receive, true);
      router.listen(kindOf(topic), listener);
    },
  };
}

/** When this node has sent a message. */
const sentAtOf = (bytes: Buffer): number =>
  Number(bytes.toString('latin1', bytes.lastIndexOf(',') + 1, bytes.length - 1));
