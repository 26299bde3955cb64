import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type TestClient } from '../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';

const PREFIX = 'general-socket';
const NAMESPACE = '/v1/shared';
let environment: TestEnvironment;
let client: TestClient;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
  client = await connect(environment.node(1), { claims: { uid: 'ada' } });
});
afterAll(async () => {
  client.close();
  await environment.close();
});

/** What a later version may say instead of what this one knows. */
const UNKNOWN: readonly unknown[] = [
  null,
  7,
  true,
  'text',
  '',
  [],
  {},
  [null],
  [{}],
  [[]],
  { version: 99 },
  [{ version: 99, recipient: 7 }],
  { id: 'x', to: 'y' },
  { id: {}, from: [], filter: null, until: 'soon' },
  { recipient: '["",""]', deviceId: 7 },
  { recipient: 'no JSON', position: -1 },
  { push: null, progress: 'x' },
  { tookMs: 'x' },
  { tookMs: -1e300 },
  { node: 'x', run: {}, total: 'many', records: 'none' },
];

/** Sends bytes to a channel as another node does. @returns how many nodes heard it */
const publish = async (channel: string, message: unknown): Promise<number> => {
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  return Number(await environment.redis().command('PUBLISH', channel, text));
};

/** Both nodes work: they have read all that was sent before, and events pass between them. */
async function ensureWorking(round: number): Promise<void> {
  for (const node of environment.nodes) expect((await node.call('GET', '/health/ready')).status).toBe(200);
  await environment.node(0).call('POST', '/emit/ada/plain', { round });
  await environment.node(0).call('POST', '/emit/ada/durable?durable=true', { round });
  for (const event of ['plain', 'durable']) expect((await client.next(event))[0]).toEqual({ round });
  expect((await environment.node(0).call('GET', '/users/ada/presence')).json.data.connections).toBe(1);
  const { nodes } = (await environment.node(0).call('GET', '/nodes')).json.data;
  expect(nodes.filter(({ version }: { version: string | null }) => version !== null)).toHaveLength(2);
}

test('messages of the bus with contents that a node does not know are ignored', async () => {
  const channels = (await environment.redis().command('PUBSUB', 'CHANNELS', `${PREFIX}:bus:*`)) as string[];
  expect(channels.length).toBeGreaterThan(5);
  for (const channel of channels) {
    for (const content of UNKNOWN) expect(await publish(channel, ['later', content, 1, 'more'])).toBeGreaterThan(0);
    for (const content of ['', '{', '[]', 'null', '["later"]', '{"version":99}']) await publish(channel, content);
  }
  await ensureWorking(1);
});

test('routed messages of a kind or a form that a node does not know are ignored', async () => {
  const own = (await environment.redis().command('PUBSUB', 'CHANNELS', `${PREFIX}:*:routes:*`)) as string[];
  const escaped = (await environment.redis().command('PUBSUB', 'CHANNELS', `*routes:*`)) as string[];
  const channels = [...new Set([...own, ...escaped])];
  expect(channels).toHaveLength(3);
  for (const channel of channels) {
    for (const content of UNKNOWN) {
      const kinds = ['a later kind', NAMESPACE, 'bus:delivery.log', 'echo', '__proto__'];
      for (const kind of kinds) await publish(channel, ['later', [[kind, content]]]);
      await publish(channel, ['later', content]);
      await publish(channel, content ?? 'null');
    }
  }
  await ensureWorking(2);
});

test('broadcasts and requests of the adapter that a node does not know are ignored', async () => {
  const broadcasts = [
    `${PREFIX}#${NAMESPACE}#`,
    `${PREFIX}#${NAMESPACE}#user:ada#`,
    `${PREFIX}#${NAMESPACE}#*gathered*#`,
  ];
  const requests = [`${PREFIX}-request#${NAMESPACE}#`, `${PREFIX}-response#${NAMESPACE}#`];
  for (const channel of [...broadcasts, ...requests]) {
    for (const content of UNKNOWN) {
      await publish(channel, ['later0', content, content]);
      await publish(channel, { type: 99, requestId: 'x', content });
      await publish(channel, content ?? 'null');
    }
  }
  await ensureWorking(3);
});
