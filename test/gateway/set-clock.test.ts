import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, openSocket, refusal } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import type { TestGateway } from '../support/gateway.js';
import { openLine, upgradeRequest } from '../support/line.js';
import { until } from '../support/until.js';

/* The date of the machine is set back by a day while the gateway runs. Its limits of time end as if it had not been. */

const DAY_MS = 86_400_000;
/** Longer than any limit of this file. */
const LONG_MS = 60_000;
const clock = createTestClock();
const steadyClock = createTestClock();
let environment: TestEnvironment;
let gateway: TestGateway;

beforeAll(async () => {
  environment = await createTestEnvironment({
    nodes: 1,
    env: { CONNECT_TIMEOUT_MS: '30000', REFUSED_CONNECTS_MAX: '3' },
    overrides: { clock, steadyClock },
  });
  [gateway] = environment.nodes as [TestGateway];
});
afterAll(() => environment.close());

test('a connection that enters no namespace is closed', async () => {
  const line = await openLine(gateway);
  await line.ask(upgradeRequest(''), /"sid":/);
  clock.advance(-DAY_MS);
  steadyClock.advance(LONG_MS);
  await line.closed;
});

test('an address that was refused too often may connect again', async () => {
  for (let i = 0; i < 3; i += 1) {
    expect((await refusal(gateway, { auth: { token: 'no token' } })).message).toBe('INVALID_TOKEN');
  }
  expect((await refusal(gateway)).message).toBe('RATE_LIMITED');
  clock.advance(-DAY_MS);
  steadyClock.advance(LONG_MS);
  (await connect(gateway)).close();
});

test('a user who is not locked any more may connect again', async () => {
  const [ann] = await environment.people('Ann');
  await environment.models.User.updateOne({ _id: ann.id }, { isActive: false });
  const locked = openSocket(gateway, { claims: { uid: ann.id } });
  await until(() => locked.disconnected && locked.id === undefined && !locked.active);
  await environment.models.User.updateOne({ _id: ann.id }, { isActive: true });
  expect((await refusal(gateway, { claims: { uid: ann.id } })).message).toBe('FORBIDDEN');
  clock.advance(-DAY_MS);
  steadyClock.advance(LONG_MS);
  (await connect(gateway, { claims: { uid: ann.id } })).close();
});
