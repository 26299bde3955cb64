import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { createCluster } from 'redis';
import { withinMs } from '../time/within-ms.js';
import { createAnswers } from './answers.js';
import { backOffMs, type CommandClient } from './connection.js';
import { HUNG_AFTER_MS, toClientOptions } from './server-connection.js';
import type { RedisServer, RedisTarget } from './url.js';

/** Commands of a Redis Cluster; no publishing and no subscriptions. */
export type ClusterClient = CommandClient & {
  /** The master of a key. @throws (rejects) Error while the cluster is not known */
  masterOf(key: string): Promise<RedisServer>;
};

/** Minimum interval in which the topology is read again while a server is away. */
const TOPOLOGY_INTERVAL_MS = 1_000;
/** How long the first commands for a server wait for its connection. */
const CONNECTING_LIMIT_MS = 500;
/** A slot that is being moved refuses some commands for a time: retries, and the delay between them. */
const MOVING_RETRIES = 40;
const MOVING_DELAY_MS = 50;
/** A connection without any data for so long is dropped, also during its handshake. Pings keep a healthy one active. */
const IDLE_LIMIT_MS = 3 * HUNG_AFTER_MS;
/** Time limit of a command, including its redirections. A hung connection is dropped earlier. */
const COMMAND_LIMIT_MS = 2 * HUNG_AFTER_MS;
const CLOSE_LIMIT_MS = 2_000;

/**
 * Creates a client that sends each command to the master of its key. The client of node-redis follows redirections. It
 * waits for a server that it has never reached, so a command is sent only to a server that is connected, and rejected at
 * once otherwise. It reads the topology again only on a redirection, or seconds after a connection has broken; so while a
 * server is away, new clients are opened that ask the others, until one finds a master for each slot.
 */
export function createClusterClient(target: RedisTarget): ClusterClient {
  const events = new EventEmitter();
  events.setMaxListeners(0).on('error', () => undefined);
  let lastError: unknown = new Error('not connected to the Redis Cluster');
  let isOpen = false;
  let cluster: Cluster | undefined;
  let isReplacing = false;
  let replaceAt = 0;
  const hung = new Set<Master>();
  /** Of the pings: they reach all masters. */
  const answers = createAnswers();
  /** When each server that is not connected was found so. */
  const awaySince = new WeakMap<Master, number>();

  const noteError = (error: unknown): void => {
    lastError = error;
  };
  /** @throws the reason why the topology could not be read */
  const open = async (roots: readonly RedisServer[]): Promise<void> => {
    const next = createNodeClients(target, roots);
    next.on('error', noteError).on('node-error', noteError);
    try {
      await next.connect();
    } catch (error) {
      next.destroy();
      // What the library throws does not name the cause.
      throw lastError ?? error;
    }
    const connecting = Promise.allSettled(next.masters.map((master) => next.nodeClient(master)));
    await Promise.race([connecting, delay(HUNG_AFTER_MS, undefined, { ref: false })]);
    const former = cluster;
    if (isOpen) {
      cluster = next;
      next.on('node-ready', () => events.emit('ready'));
      events.emit('ready');
    } else next.destroy();
    await former?.close().catch(noteError);
  };
  const replace = async (): Promise<void> => {
    if (cluster === undefined || isReplacing || performance.now() < replaceAt) return;
    isReplacing = true;
    const alive = cluster.masters.filter(isUp);
    await open(alive.length > 0 ? alive : target.nodes).catch(noteError);
    replaceAt = performance.now() + TOPOLOGY_INTERVAL_MS;
    isReplacing = false;
  };
  const discover = async (): Promise<void> => {
    for (let attempt = 0; isOpen && cluster === undefined; attempt += 1) {
      if (attempt > 0) await delay(backOffMs(attempt));
      await open(target.nodes).catch((error: unknown) => isOpen && events.emit('error', error));
    }
  };
  const known = (): Cluster => {
    if (cluster === undefined) throw lastError;
    return cluster;
  };
  const masterOf = (key: string): Master => {
    const master = known().slots[slotOf(key)]?.master;
    if (master === undefined) throw new Error('the Redis Cluster has no master for the slot of a key');
    return master;
  };
  /** Waits for a server that is being connected for the first time. @throws Error when it is not connected */
  const ensureUp = async (master: Master): Promise<void> => {
    if (isUp(master)) return;
    const sinceMs = awaySince.get(master) ?? performance.now();
    awaySince.set(master, sinceMs);
    const connecting = Promise.resolve(known().nodeClient(master)).catch(noteError);
    const waitMs = sinceMs + CONNECTING_LIMIT_MS - performance.now();
    if (waitMs > 0) await Promise.race([connecting, delay(waitMs, undefined, { ref: false })]);
    if (isUp(master)) return;
    if (performance.now() - sinceMs > TOPOLOGY_INTERVAL_MS) void replace();
    throw new Error(`not connected to ${master.address} of the Redis Cluster`);
  };

  return {
    get isReady() {
      return cluster !== undefined;
    },
    server: undefined,
    answers,
    on: (event, listener) => events.on(event, listener),
    off: (event, listener) => events.off(event, listener),
    connect() {
      if (isOpen) return;
      isOpen = true;
      void discover();
    },
    reconnect() {
      for (const { client } of hung) client?.destroy();
      hung.clear();
      void replace();
    },
    async sendCommand<Reply>(args: readonly string[], key = args[1] ?? '', isPatient = true): Promise<Reply> {
      for (let retries = 0; ; retries += 1) {
        await ensureUp(masterOf(key));
        try {
          return await withinMs(COMMAND_LIMIT_MS, known().sendCommand<Reply>(key, false, [...args]));
        } catch (error) {
          const isMoving = error instanceof Error && error.message.startsWith('TRYAGAIN');
          if (!isMoving || !isPatient || retries >= MOVING_RETRIES) throw error;
          await delay(MOVING_DELAY_MS);
        }
      }
    },
    async ping() {
      // All are awaited, so that a server that hangs is detected while another one is away.
      const pings = known().masters.map(async (master) => {
        await ensureUp(master);
        awaySince.delete(master);
        hung.add(master);
        await master.client?.ping().finally(() => hung.delete(master));
      });
      await answers.track(Promise.allSettled(pings));
      await Promise.all(pings);
    },
    async masterOf(key) {
      const { host, port } = masterOf(key);
      return { host, port };
    },
    async close() {
      isOpen = false;
      const former = cluster;
      cluster = undefined;
      if (former === undefined) return;
      await withinMs(CLOSE_LIMIT_MS, former.close()).catch(() => undefined);
      former.destroy();
    },
  };
}

const isUp = ({ client }: Master): boolean => client?.isReady === true;

type Cluster = ReturnType<typeof createNodeClients>;
type Master = Cluster['masters'][number];

const createNodeClients = (target: RedisTarget, roots: readonly RedisServer[]) =>
  createCluster({
    rootNodes: roots.map(({ host, port }) => ({ socket: { host, port } })),
    defaults: withReconnects(target),
    // Otherwise one unreachable server would delay the discovery of the others without end.
    minimizeConnections: true,
    topologyRefreshOnReconnectionAttemptStrategy: false,
  });

function withReconnects(target: RedisTarget) {
  const options = toClientOptions(target);
  return { ...options, socket: { ...options.socket, socketTimeout: IDLE_LIMIT_MS, reconnectStrategy: backOffMs } };
}

const SLOTS = 16_384;

/** The slot of a key, as Redis computes it: CRC16 (XMODEM) of its hash tag, or of the whole key without one. */
export function slotOf(key: string): number {
  const [, tag = key] = /^[^{]*\{([^}]+)\}/s.exec(key) ?? [];
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  }
  return (crc & 0xffff) % SLOTS;
}
