import { pino } from 'pino';
import { expect, test } from 'vitest';
import { anonymous, type Principal } from '../../src/auth/principal.js';
import type { Integration, PresentUser } from '../../src/framework/integration.js';
import { createPresenceTracker } from '../../src/framework/presence-tracker.js';
import { createMemoryPresence } from '../../src/realtime/presence/memory.js';
import type { SocketDirectory } from '../../src/realtime/presence/socket-directory.js';
import type { GatewaySocket } from '../../src/sockets/socket.js';
import { createTestClock } from '../support/clock.js';
import { until } from '../support/until.js';

const GRACE_MS = 1000;
const sockets = { leave: async () => undefined, clear: async () => undefined } as unknown as SocketDirectory;

function socketOf(id: string, principal: Partial<Principal>): GatewaySocket {
  return { id, nsp: { name: '/' }, data: { principal, connectedAt: 0, deviceId: '' } } as unknown as GatewaySocket;
}
const userSocket = (userId: string, id = `socket of ${userId}`) =>
  socketOf(id, { kind: 'user', userId, accountId: 'account' });

/** A tracker, and what it has told an integration: each call as one line. */
async function start() {
  const clock = createTestClock();
  const calls: string[] = [];
  const note = (kind: string) => async (users: readonly PresentUser[]) =>
    void calls.push(`${kind} ${users.map(({ userId }) => userId).join()}`);
  const integration = {
    name: 'witness',
    onSocketsPresent: async (present) => void calls.push(`present ${present.map(({ id }) => id).join()}`),
    onUsersOnline: note('online'),
    onUsersOffline: note('offline'),
  } satisfies Integration;
  const failing = { name: 'failing', onUsersOnline: () => Promise.reject(new Error('fails')) } satisfies Integration;
  const tracker = createPresenceTracker({
    presence: createMemoryPresence({ clock, graceMs: GRACE_MS }),
    sockets,
    integrations: [failing, integration],
    logger: pino({ enabled: false }),
  });
  await tracker.start();
  return { tracker, calls, clock };
}

test('users who come in one turn are told of together, each once', async () => {
  const { tracker, calls } = await start();
  tracker.connected(userSocket('ann', '1'));
  tracker.connected(userSocket('bob', '2'));
  tracker.connected(userSocket('ann', '3'));
  tracker.connected(socketOf('4', anonymous));
  await until(() => calls.length === 2);
  expect(calls).toEqual(['present 1,2,3', 'online ann,bob']);
});

test('what users do who leave and come back meanwhile is told in order', async () => {
  const { tracker, calls, clock } = await start();
  const [ann, bob] = [userSocket('ann', '1'), userSocket('bob', '2')];
  tracker.connected(ann);
  tracker.connected(bob);
  await until(() => calls.length === 2);
  tracker.disconnected(ann, 'transport close');
  tracker.disconnected(bob, 'transport close');
  clock.advance(GRACE_MS);
  tracker.connected(userSocket('ann', '3'));
  await until(() => calls.length === 5);
  expect(calls.slice(2)).toEqual(['offline ann,bob', 'present 3', 'online ann']);
});

test('a stop waits until the integrations have handled all changes', async () => {
  const { tracker, calls } = await start();
  tracker.connected(userSocket('ann', '1'));
  await until(() => calls.length === 2);
  // Batches have a time between them, so these wait.
  tracker.connected(userSocket('bob', '2'));
  tracker.connected(userSocket('cid', '3'));
  await tracker.stop();
  expect(calls.slice(2)).toEqual(['present 2,3', 'online bob,cid']);
});
