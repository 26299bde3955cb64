import { expect, onTestFinished, test } from 'vitest';
import { slotOf } from '../../src/platform/redis/cluster.js';
import { createTestEnvironment } from '../support/environment.js';
import { startCluster } from '../support/redis-cluster.js';
import { startSentinels } from '../support/redis-sentinel.js';
import { runFailOver } from './redis-failover-run.js';

const MESSAGES = 300;

test('SENTINEL FAILOVER loses no durable message, and counts the plain ones that it loses', async () => {
  const environment = await createTestEnvironment({ nodes: 0 });
  onTestFinished(() => environment.close());
  const sentinels = await startSentinels();
  environment.defer(() => sentinels.dispose());
  const { url, failOver } = sentinels;
  const result = await runFailOver({ environment, url, messages: MESSAGES, failOver });
  expect(result.plainReceived).toBeGreaterThan(0);
});

test('CLUSTER FAILOVER loses no durable message, and counts the plain ones that it loses', async () => {
  const environment = await createTestEnvironment({ nodes: 0 });
  onTestFinished(() => environment.close());
  const cluster = await startCluster();
  environment.defer(() => cluster.dispose());
  const failOver = () => cluster.failOver(slotOf('general-socket:members'));
  const result = await runFailOver({ environment, url: cluster.url, messages: MESSAGES, failOver });
  expect(result.plainReceived).toBeGreaterThan(0);
});
