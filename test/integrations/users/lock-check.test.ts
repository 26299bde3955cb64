import { expect, test } from 'vitest';
import { createLockCheck } from '../../../src/integrations/users/lock-check.js';
import type { GatewaySocket } from '../../../src/sockets/socket.js';
import { createTestClock } from '../../support/clock.js';
import { until } from '../../support/until.js';

const USER = '65f0000000000000000000aa';

/** A socket of the user that takes down what is done to it. */
function createSocket() {
  const done: string[] = [];
  const socket = {
    nsp: { name: '/v1/shared' },
    data: { principal: { kind: 'user', userId: USER } },
    emit: (event: string) => done.push(event),
    disconnect: () => done.push('disconnect'),
  };
  return { done, socket: socket as unknown as GatewaySocket };
}

test('a look-up that began before a user was locked does not hide that they are', async () => {
  const answers: ((locked: ReadonlySet<string>) => void)[] = [];
  const lockedOut = () => new Promise((resolve) => answers.push(resolve));
  const lockCheck = createLockCheck({ people: { lockedOut } as never, clock: createTestClock(), logger: {} as never });
  const { done, socket } = createSocket();
  lockCheck.listener.connected(socket);
  await until(() => answers.length > 0);
  lockCheck.noteLocked(USER);
  answers[0]?.(new Set());
  await until(() => done.length > 0);
  expect(done).toEqual(['disconnected', 'disconnect']);
  expect(() => lockCheck.ensureNotLocked(USER)).toThrow('FORBIDDEN');
});
