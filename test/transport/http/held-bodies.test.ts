import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { createLogger } from '../../../src/platform/logging/logger.js';
import { createMetrics } from '../../../src/platform/metrics.js';
import { createHttpApp } from '../../../src/transport/http/app.js';
import { createGate } from '../../support/gate.js';
import { until } from '../../support/until.js';

/** The largest body. Calls that wait hold 256 of them. */
const BODY_LIMIT = 20_000;

test('the bodies of calls that wait are bounded, small ones are taken all the same', async () => {
  const gate = createGate();
  let handled = 0;
  const route = { summary: '', method: 'post', path: '/things', body: z.unknown() } as const;
  const handle = async (): Promise<null> => {
    handled += 1;
    await gate.opened;
    return null;
  };
  const app = createHttpApp({
    config: { bodyLimitBytes: BODY_LIMIT, trustedProxies: 0, corsOrigins: [] },
    logger: createLogger({ level: 'silent', isPretty: false }),
    metrics: createMetrics(),
    routes: [{ route, handle }],
    allowsOrigin: () => true,
    ensureApiKey: () => 'key',
  } as unknown as Parameters<typeof createHttpApp>[0]);
  const server = createServer(app).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const call = (bytes: number) =>
    fetch(`http://127.0.0.1:${port}/things`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify('x'.repeat(bytes - 2)),
    });

  const open = gate.hold();
  const waiting = Array.from({ length: 256 }, () => call(BODY_LIMIT));
  await until(() => handled === waiting.length);
  const refused = await call(BODY_LIMIT);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  const small = call(1000);
  await until(() => handled === waiting.length + 1);
  open();
  for (const answer of await Promise.all([...waiting, small])) expect(answer.status).toBe(200);
  expect((await call(BODY_LIMIT)).status).toBe(200);
});
