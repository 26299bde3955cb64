import { expect, onTestFinished, test } from 'vitest';
import { slotOf } from '../../src/platform/redis/cluster.js';
import { PRESENCE_LIMIT_MS } from '../../src/realtime/presence/index.js';
import { createTestEnvironment } from '../support/environment.js';
import { startCluster } from '../support/redis-cluster.js';
import { startSentinels } from '../support/redis-sentinel.js';
import { runFailOver } from './redis-failover-run.js';

const MESSAGES = 5_000;

test('kill -9 of the master of Sentinel loses no durable message, and counts the plain ones', async () => {
  const environment = await createTestEnvironment({ nodes: 0 });
  onTestFinished(() => environment.close());
  const sentinels = await startSentinels({ downAfterMs: 1_000 });
  environment.defer(() => sentinels.dispose());
  const failOver = async (): Promise<void> => {
    const former = await sentinels.master();
    await former.kill();
    await sentinels.promoted(former);
  };
  const result = await runFailOver({ environment, url: sentinels.url, messages: MESSAGES, failOver });
  expect(result.recoveryMs).toBeLessThan(PRESENCE_LIMIT_MS);
  expect(result.plainReceived).toBeGreaterThan(MESSAGES / 3);
});

// The first slot has the messages between the nodes, the second one a part of presence.
test.each([
  ['for messages', slotOf('general-socket:members')],
  ['for presence', slotOf('{0}')],
])('kill -9 of the master %s of a cluster loses no durable message, and counts the plain ones', async (_, slot) => {
  const environment = await createTestEnvironment({ nodes: 0 });
  onTestFinished(() => environment.close());
  const cluster = await startCluster({ nodeTimeoutMs: 1_000 });
  environment.defer(() => cluster.dispose());
  const failOver = async (): Promise<void> => {
    const former = await cluster.masterOf(slot);
    await former.kill();
    await cluster.promoted(slot, former);
  };
  const result = await runFailOver({ environment, url: cluster.url, messages: MESSAGES, failOver });
  expect(result.recoveryMs).toBeLessThan(PRESENCE_LIMIT_MS);
  expect(result.plainReceived).toBeGreaterThan(MESSAGES / 3);
});
