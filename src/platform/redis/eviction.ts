import type { Logger } from '../logging/logger.js';
import type { CommandClient } from './connection.js';

interface Options {
  readonly client: Pick<CommandClient, 'sendCommand'>;
  /** Its server is asked in a Redis Cluster. */
  readonly key: string;
  /** Address of Redis, without credentials. */
  readonly address: string;
  readonly logger: Pick<Logger, 'warn'>;
}

/**
 * Logs when Redis removes keys as soon as its memory is full. Nothing fails then: users count as offline, and plain events pass
 * them by, until they connect again. A cache in the same Redis is enough to fill it.
 */
export async function warnOfEviction({ client, key, address, logger }: Options): Promise<void> {
  // The right to ask is optional, and who has no answer now asks on the next connection.
  const memory = await client.sendCommand<string>(['INFO', 'memory'], key).catch(() => '');
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? NO_EVICTION;
  const maxBytes = Number(/^maxmemory:(\d+)/m.exec(memory)?.[1] ?? 0);
  if (policy === NO_EVICTION || maxBytes === 0) return;
  logger.warn(
    { address, policy, maxBytes },
    'redis: when its memory is full, it removes keys of the gateway; set maxmemory-policy to noeviction',
  );
}

const NO_EVICTION = 'noeviction';
