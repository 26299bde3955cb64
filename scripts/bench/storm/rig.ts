import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mongoose';
import { defineModels } from '#shared/models/index.js';
import { startEmbedded } from '../../../src/embedded/index.js';
import { startRedis } from '../../../test/support/redis-server.js';
import { applyIndexes, createCommandCounter } from '../rig.js';
import { seedUsers } from '../seed.js';
import { API_KEY, PING_INTERVAL_MS, SECRET } from '../wire.js';
import { runStorm, type StormNode, type StormResult } from './run.js';

/** A database of a storm's own, because the commands that it has had are counted. */
export const startOwnDatabase = (directory: string) => startEmbedded({ directory });

/** What a storm is measured with. */
interface StormParts {
  readonly clients: number;
  readonly limitMs: number;
  startDatabase(directory: string): Promise<{ readonly url: string; stop(): Promise<void> }>;
  startNode(settings: Readonly<Record<string, string>>): Promise<StormNode>;
}

/** Starts two nodes with Redis and a database that has the users, and runs a storm. */
export async function measureStorm({ clients, limitMs, startDatabase, startNode }: StormParts): Promise<StormResult> {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-storm-'));
  const [database, redis] = [await startDatabase(join(directory, 'db')), await startRedis()];
  const connection = await createConnection(database.url, { autoIndex: false }).asPromise();
  const nodes: StormNode[] = [];
  try {
    await applyIndexes(database.url);
    await seedUsers(defineModels(connection), clients);
    const settings = {
      MONGODB_URL: database.url,
      REDIS_URL: redis.url,
      PING_INTERVAL_MS: String(PING_INTERVAL_MS),
      JWT_SECRET: SECRET,
      JWT_AUDIENCE: '*',
      EMIT_API_KEYS: API_KEY,
    };
    const pair = [await startNode(settings), await startNode(settings)] as const;
    nodes.push(...pair);
    return await runStorm({
      clients,
      nodes: pair,
      secret: SECRET,
      apiKey: API_KEY,
      limitMs,
      commands: createCommandCounter(connection),
    });
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
    await connection.close();
    await redis.dispose();
    await database.stop();
    await rm(directory, { recursive: true, force: true });
  }
}
