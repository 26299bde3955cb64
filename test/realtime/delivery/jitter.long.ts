import { test } from 'vitest';
import { runJitter } from './jitter-run.js';

test('delivers 20,000 messages to 100 clients in order while connections are cut at random', async () => {
  await runJitter({ clients: 100, messages: 200, cutRate: 0.02, seed: 3 });
});

test('delivers every message in order when Redis is killed during the run', async () => {
  await runJitter({ clients: 100, messages: 60, cutRate: 0.02, seed: 4, killsRedis: true });
});

test('delivers every message in order over a slow database', async () => {
  await runJitter({ clients: 100, messages: 60, cutRate: 0.1, seed: 5, databaseDelayMs: 20 });
});
