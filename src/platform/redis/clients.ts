import type { Probe, SelfCheckClients } from './check.js';
import { createClusterClient } from './cluster.js';
import { type CommandClient, createRedisClient, type RedisClient } from './connection.js';
import { WrongServerError } from './refusal.js';
import { createSentinelLocator, ensureMaster, ensureSingle } from './sentinel.js';
import { type RedisServer, type RedisTarget, toHostAndPort } from './url.js';

/** Interval in which the sentinels are asked whether the master is still the same. */
const MOVE_CHECK_INTERVAL_MS = 5_000;

/** The three connections, and a probe that detects those that lead to a former master that still answers. */
interface Clients extends Pick<SelfCheckClients, 'publisher' | 'subscriber'> {
  commands: CommandClient;
  probe: Probe;
}

/** @param key its master in a Redis Cluster gets all messages, so that their order and their receivers are known */
export function createClients(target: RedisTarget, key: string): Clients {
  if (target.kind === 'cluster') {
    const commands = createClusterClient(target);
    const locate = () => commands.masterOf(key);
    const route = { settings: target, locate, ensureUsable: ensureMaster };
    const publisher = createRedisClient(route);
    const subscriber = createRedisClient(route);
    const ensureNotMoved = createMoveProbe({ locate, clients: [publisher, subscriber], intervalMs: 0 });
    const probe = async (): Promise<void> => {
      await ensureNotMoved();
      await commands.ping();
    };
    return { commands, publisher, subscriber, probe };
  }
  const isSentinel = target.kind === 'sentinel';
  const locate = isSentinel ? createSentinelLocator(target) : async () => found(target.nodes[0]);
  const route = { settings: target, locate, ensureUsable: isSentinel ? ensureMaster : ensureSingle };
  const commands = createRedisClient(route);
  const publisher = createRedisClient(route);
  const subscriber = createRedisClient(route);
  const clients = [commands, publisher, subscriber];
  const probe = createMoveProbe({ locate, clients, intervalMs: MOVE_CHECK_INTERVAL_MS });
  return { commands, publisher, subscriber, probe };
}

function found(server: RedisServer | undefined): RedisServer {
  if (server === undefined) throw new Error('REDIS_URL names no server');
  return server;
}

/** Asks for the server at most every `intervalMs`. While the answer is not known, the connections are kept. */
function createMoveProbe(options: {
  locate: () => Promise<RedisServer>;
  clients: readonly RedisClient[];
  intervalMs: number;
}): () => Promise<void> {
  const { locate, clients, intervalMs } = options;
  let nextAt = 0;
  return async function ensureNotMoved() {
    if (performance.now() < nextAt) return;
    nextAt = performance.now() + intervalMs;
    const server = await locate().catch(() => undefined);
    if (server === undefined) return;
    const address = toHostAndPort(server);
    if (clients.some((client) => client.server !== undefined && toHostAndPort(client.server) !== address)) {
      throw new WrongServerError(`the master is now ${address}`);
    }
  };
}
