import { expect, test } from 'vitest';
import { runMigration } from './migration-run.js';

test.each(Array.from({ length: 30 }, (_, n) => 100 + n))('moves every message once (seed %i)', async (seed) => {
  const resynced = await runMigration({ seed, recipients: 10, messages: 15 });
  expect(resynced).toBeLessThan(15);
});
