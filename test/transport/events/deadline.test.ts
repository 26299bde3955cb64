import { expect, test } from 'vitest';
import { z } from 'zod';
import { anonymous } from '../../../src/auth/principal.js';
import { createLogger } from '../../../src/platform/logging/logger.js';
import { createMetrics } from '../../../src/platform/metrics.js';
import type { GatewaySocket } from '../../../src/sockets/socket.js';
import { createDispatch } from '../../../src/transport/events/dispatch.js';
import { createTestClock } from '../../support/clock.js';

test('an event that is never handled is answered with UNAVAILABLE in time, one with a file after four times as long', async () => {
  const clock = createTestClock();
  const never = { handle: () => new Promise<never>(() => undefined) };
  const event = { summary: '', payload: z.unknown() };
  const events = { stuck: { event, ...never }, file: { event: { ...event, takesBinary: true }, ...never } };
  const dispatch = createDispatch(
    {
      namespaces: [{ name: '/x', scopes: [], authenticate: () => anonymous }],
      mounts: [{ namespaces: ['/x'], events }],
    },
    {
      clock,
      eventTimeoutMs: 1000,
      messageMaxBytes: 1_048_576,
      metrics: createMetrics(),
      logger: createLogger({ level: 'silent', isPretty: false }),
      traffic: { isWatched: false, received: () => undefined },
      work: { begin: async () => undefined },
      userAuth: { ensureCurrent: () => undefined },
      expiry: {},
    } as unknown as Parameters<typeof createDispatch>[1],
  );
  const data = { principal: anonymous, address: '', deviceId: '', inFlight: 0 };
  const socket = { nsp: { name: '/x' }, data, rooms: new Set() } as unknown as GatewaySocket;
  const answers: unknown[] = [];
  const stuck = dispatch(socket, ['stuck', {}, (answer: unknown) => answers.push(answer)]);
  const file = dispatch(socket, ['file', {}, (answer: unknown) => answers.push(answer)]);
  clock.advance(1000);
  await stuck;
  expect(answers).toMatchObject([{ success: false, message: 'UNAVAILABLE' }]);
  clock.advance(3000);
  await file;
  expect(answers).toHaveLength(2);
  expect(data.inFlight).toBe(0);
});
