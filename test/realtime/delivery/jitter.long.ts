import { test } from 'vitest';
import { runJitter } from './jitter-run.js';

test('100 clients, 20,000 messages, cut at random: none lost, all in order', async () => {
  await runJitter({ clients: 100, messages: 200, cutRate: 0.02, seed: 3 });
});

test('the same with a Redis that is killed and comes back', async () => {
  await runJitter({ clients: 100, messages: 60, cutRate: 0.02, seed: 4, killsRedis: true });
});
