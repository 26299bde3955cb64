import { ensureRedisServer } from './redis-server.js';

/** Runs once before the suite: what the tests need from the machine is found or installed here, never skipped. */
export async function setup(): Promise<void> {
  await ensureRedisServer();
}
