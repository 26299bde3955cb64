import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMetrics } from '../../src/platform/metrics.js';
import { connect } from '../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { signToken } from '../support/gateway.js';
import { type Family, parseMetrics, problemsOf } from '../support/prometheus.js';
import { until } from '../support/until.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});
afterAll(() => environment.close());

const scrape = async (node: number): Promise<Map<string, Family>> =>
  parseMetrics((await environment.node(node).call('GET', '/metrics')).text);

/** The value of one series; 0 when it does not exist. */
async function readValue(node: number, name: string, labels: Record<string, string> = {}): Promise<number> {
  const family = name.replace(/_(?:bucket|sum|count)$/, '');
  const samples = (await scrape(node)).get(family)?.samples ?? (await scrape(node)).get(name)?.samples ?? [];
  const found = samples.filter(
    (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  return found.reduce((sum, { value }) => sum + value, 0);
}

const MESSAGES = 'gateway_durable_messages_total';
const emit = (node: number, user: string) => environment.node(node).call('POST', `/emit/${user}/m?durable=true`, '1');

describe('durable messages', () => {
  test('are counted where they are stored, sent, acknowledged and sent again; what waits is shown', async () => {
    const options = { claims: { uid: 'ann' }, auth: { token: signToken({ uid: 'ann' }), deviceId: 'phone' } };
    const first = await connect(environment.node(1), options);
    await emit(0, 'ann');
    await first.next('m');
    expect(await readValue(0, MESSAGES, { state: 'stored' })).toBe(1);
    expect(await readValue(1, MESSAGES, { state: 'sent' })).toBe(1);
    expect(await readValue(1, MESSAGES, { state: 'acknowledged' })).toBe(0);
    expect(await readValue(1, 'gateway_durable_waiting_messages')).toBe(1);
    first.close();
    await until(async () => (await readValue(1, 'gateway_connections')) === 0);
    expect(await readValue(1, 'gateway_durable_waiting_messages')).toBe(0);

    const second = await connect(environment.node(1), options);
    const [, acknowledge] = await second.next('_batch');
    expect(await readValue(1, MESSAGES, { state: 'repeated' })).toBe(1);
    acknowledge();
    await until(async () => (await readValue(1, MESSAGES, { state: 'acknowledged' })) === 1);
    expect(await readValue(1, MESSAGES, { state: 'sent' })).toBe(1);
    expect(await readValue(1, 'gateway_durable_waiting_messages')).toBe(0);
    expect(await readValue(1, 'gateway_durable_acknowledge_seconds_count')).toBe(1);
    expect(await readValue(1, 'gateway_durable_acknowledge_seconds_sum')).toBeGreaterThan(0);
    expect(await readValue(1, 'gateway_mailbox_reads_total')).toBeGreaterThan(0);
    second.close();
  });

  test('that run out are counted by reason, and clients that are told', async () => {
    const options = { claims: { uid: 'bob' }, auth: { token: signToken({ uid: 'bob' }), deviceId: 'phone' } };
    const known = await connect(environment.node(0), options);
    await until(async () => (await environment.node(0).call('GET', '/users/bob/deliveries')).text.includes('phone'));
    known.close();
    await environment.node(0).call('POST', '/emit/bob/m?durable=true&ttl=1', '1');
    await until(
      async () =>
        (await environment.node(0).call('GET', '/users/bob/deliveries?state=expired')).json.data.messages.length === 1,
    );
    const back = await connect(environment.node(0), options);
    await back.next('_resync');
    expect(await readValue(0, 'gateway_durable_expirations_total', { reason: 'ttl' })).toBe(1);
    expect(await readValue(0, 'gateway_durable_resyncs_total')).toBe(1);
    back.close();
  });
});

test('show the age of the presence lease, the lag of the bus, open files and the version', async () => {
  await emit(0, 'cat');
  await until(async () => (await readValue(0, 'gateway_bus_lag_seconds_count')) > 0);
  expect(await readValue(0, 'gateway_bus_lag_seconds_sum')).toBeGreaterThan(0);
  for (const presence of ['users', 'chats']) {
    expect(await readValue(0, 'gateway_presence_lease_age_seconds', { presence })).toBeLessThan(9);
  }
  expect((await scrape(0)).get('gateway_presence_lease_age_seconds')?.samples.length).toBeGreaterThanOrEqual(2);
  expect(await readValue(0, 'process_open_fds')).toBeGreaterThan(0);
  expect(await readValue(0, 'gateway_build_info', { nodejs: process.version })).toBe(1);
});

describe('the naming rules of Prometheus', () => {
  test('hold for every metric of the gateway', async () => {
    const declared = await createMetrics().registry.metrics();
    const ours = [...parseMetrics(declared).values()].filter(({ name }) => name.startsWith('gateway_'));
    expect(ours.length).toBeGreaterThan(20);
    expect(ours.flatMap(problemsOf)).toEqual([]);
  });

  test('hold for every series of a node in use', async () => {
    const families = [...(await scrape(0)).values(), ...(await scrape(1)).values()];
    expect(families.filter(({ name }) => name.startsWith('gateway_')).flatMap(problemsOf)).toEqual([]);
  });

  test.each([
    ['# HELP a_b x\n# TYPE a_b counter\na_b 1', 'a counter ends with _total'],
    ['# HELP a_total x\n# TYPE a_total gauge\na_total 1', 'only a counter ends with _total'],
    ['# HELP a_ms x\n# TYPE a_ms gauge\na_ms 1', 'a base unit, not ms'],
    ['# HELP aB x\n# TYPE aB gauge\naB 1', 'lower case with underscores'],
    ['# HELP a \n# TYPE a gauge\na 1', 'no help'],
    ['# HELP a_gauge x\n# TYPE a_gauge gauge\na_gauge 1', 'the type in the name'],
    ['# HELP a x\n# TYPE a gauge\na{le="1"} 1', 'the reserved label le'],
    ['# HELP a x\n# TYPE a gauge\na{userId="1"} 1', 'the label userId'],
    ['# HELP a x\n# TYPE a gauge\na 1\na 2', 'a series twice'],
    [
      '# HELP a_seconds x\n# TYPE a_seconds histogram\na_seconds_bucket{le="1"} 2\na_seconds_bucket{le="+Inf"} 1\na_seconds_sum 1\na_seconds_count 1',
      'buckets that fall',
    ],
    [
      '# HELP a_seconds x\n# TYPE a_seconds histogram\na_seconds_bucket{le="1"} 1\na_seconds_sum 1\na_seconds_count 1',
      'no bucket +Inf',
    ],
  ])('find what is wrong with %j', (text, problem) => {
    expect([...parseMetrics(text).values()].flatMap(problemsOf)).toEqual([expect.stringContaining(problem)]);
  });
});
