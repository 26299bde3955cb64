import { test } from 'vitest';
import { runJitter } from './jitter-run.js';

test('delivers every message in order over connections that break at random', async () => {
  await runJitter({ clients: 10, messages: 60, cutRate: 0.05, seed: 1 });
});

test('delivers every message when Redis is killed during the run', async () => {
  await runJitter({ clients: 5, messages: 60, cutRate: 0.03, seed: 2, killsRedis: true });
});
