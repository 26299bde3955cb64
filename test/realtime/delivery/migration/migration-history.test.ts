import { expect, test } from 'vitest';
import { runMigration } from './migration-run.js';

test.each([1, 2])(
  'nodes that migrate, die and disagree on the time move every message once (seed %i)',
  async (seed) => {
    const resynced = await runMigration({ seed, recipients: 6, messages: 8 });
    expect(resynced).toBeLessThan(6);
  },
);
