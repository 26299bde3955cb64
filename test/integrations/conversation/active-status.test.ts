import { expect, test, vi } from 'vitest';
import { createActiveStatus } from '../../../src/integrations/conversation/active-status.js';
import { createSettling } from '../../../src/platform/concurrency/settling.js';
import { createTestClock } from '../../support/clock.js';
import { until } from '../../support/until.js';

const USERS = ['a', 'b'].map((letter) => letter.repeat(24));

test('what follows the first status of users is what is stored then, read together with their blocks', async () => {
  const clock = createTestClock();
  const logger = { warn: vi.fn() } as never;
  const sent: string[] = [];
  const excepted: unknown[] = [];
  const statuses = createActiveStatus(
    {
      clock,
      models: { User: { updateMany: async () => undefined } },
      emitter: {
        emit(
          { exceptSocketId }: { exceptSocketId?: string },
          { payload }: { payload: { userID: string; conversation_active_status: string } },
        ) {
          sent.push(`${payload.userID[0]} ${payload.conversation_active_status}`);
          excepted.push(exceptSocketId);
        },
      },
      logger,
    } as never,
    {
      blocks: {
        withUser: async () => ({ user: { conversation_active_status: 'active' }, blocked: new Set<string>() }),
      },
      settling: createSettling({ clock, logger }),
    } as never,
  );
  const set = (status: 'active' | 'away') =>
    Promise.all(USERS.map((userId) => statuses.set({ userId, accountId: 'account' }, status, 'socket')));
  await set('away');
  await set('away');
  expect(sent).toEqual(['a away', 'b away']);
  // Meanwhile another node has stored that they are active.
  clock.advance(1000);
  await until(() => sent.length === 4);
  expect(sent.slice(2)).toEqual(['a active', 'b active']);
  // The socket that set the first one knows it, but not the other one.
  expect(excepted).toEqual(['socket', 'socket', undefined, undefined]);
});
