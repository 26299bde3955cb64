import { expect, test } from 'vitest';
import { z } from 'zod';
import { anonymous } from '../../../src/auth/principal.js';
import { UnreadArguments } from '../../../src/library-internals/packet-decoder.js';
import { createLogger } from '../../../src/platform/logging/logger.js';
import { createMetrics } from '../../../src/platform/metrics.js';
import type { GatewaySocket } from '../../../src/sockets/socket.js';
import { createDispatch } from '../../../src/transport/events/dispatch.js';
import { createTestClock } from '../../support/clock.js';

/** The largest message. A node holds 64 of them, and 16 of one caller. */
const MESSAGE = 10_000;

/** A dispatch whose limiter, which is in Redis, responds when it is told to. */
function createStuckDispatch() {
  const waiting: (() => void)[] = [];
  const work = { begin: () => new Promise<void>((resolve) => waiting.push(resolve)) };
  const event = { summary: '', payload: z.unknown() };
  const events = {
    m: { event, handle: async () => null },
    file: { event: { ...event, takesBinary: true, takesAllArguments: true }, handle: async () => null },
  };
  const dispatch = createDispatch(
    {
      namespaces: [{ name: '/x', scopes: [], authenticate: () => anonymous }],
      mounts: [{ namespaces: ['/x'], events }],
    },
    {
      clock: createTestClock(),
      eventTimeoutMs: 1000,
      messageMaxBytes: MESSAGE,
      metrics: createMetrics(),
      work,
      logger: createLogger({ level: 'silent', isPretty: false }),
      traffic: { isWatched: false, received: () => undefined },
      userAuth: { ensureCurrent: () => undefined },
      expiry: {},
      floodBrake: { credit: () => undefined },
    } as unknown as Parameters<typeof createDispatch>[1],
  );
  return {
    /** Resolves with the answer. */
    send(address: string, event: string, data: unknown) {
      const state = { principal: anonymous, address, deviceId: '', inFlight: 0 };
      const socket = { nsp: { name: '/x' }, data: state, rooms: new Set() } as unknown as GatewaySocket;
      return new Promise<unknown>((resolve) => void dispatch(socket, [event, data, resolve]));
    },
    respond() {
      for (const resolve of waiting.splice(0)) resolve();
    },
  };
}

const text = (): UnreadArguments => new UnreadArguments(MESSAGE, () => [{}]);
const success = { success: true };
const refused = { success: false, message: 'RATE_LIMITED' };

test('large events that wait for the limiter are bounded for each caller, whatever the number of sockets', async () => {
  const { send, respond } = createStuckDispatch();
  const held = Array.from({ length: 16 }, () => send('a', 'm', text()));
  expect(await send('a', 'm', text())).toMatchObject(refused);
  const others = [send('a', 'm', {}), send('b', 'm', text())];
  respond();
  for (const answer of await Promise.all([...held, ...others])) expect(answer).toMatchObject(success);
  const again = send('a', 'm', text());
  respond();
  expect(await again).toMatchObject(success);
});

test('large events that wait for the limiter are bounded for the node, bytes of files too', async () => {
  const { send, respond } = createStuckDispatch();
  const file = new Uint8Array(MESSAGE);
  const held = Array.from({ length: 64 }, (_, n) =>
    n % 2 === 0 ? send(`${n}`, 'm', text()) : send(`${n}`, 'file', file),
  );
  expect(await send('another', 'm', text())).toMatchObject(refused);
  expect(await send('another', 'file', file)).toMatchObject(refused);
  respond();
  await Promise.all(held);
  const again = send('another', 'm', text());
  respond();
  expect(await again).toMatchObject(success);
});

test('a single file is taken, even if it is larger than the bound', async () => {
  const { send, respond } = createStuckDispatch();
  const answer = send('a', 'file', new Uint8Array(100 * MESSAGE));
  respond();
  expect(await answer).toMatchObject(success);
});
