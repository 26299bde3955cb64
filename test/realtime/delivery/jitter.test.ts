import { test } from 'vitest';
import { runJitter } from './jitter-run.js';

test('connections that are cut at random lose nothing and keep the order', async () => {
  await runJitter({ clients: 10, messages: 60, cutRate: 0.05, seed: 1 });
});

test('neither does a Redis that is killed meanwhile', async () => {
  await runJitter({ clients: 5, messages: 60, cutRate: 0.03, seed: 2, killsRedis: true });
});
