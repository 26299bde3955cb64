import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { createAsyncApi } from '../../../../src/documents/async-api.js';
import { resolve } from '../../../documents/hold.js';
import { sent } from '../../../integrations/push-sites/site-client.js';
import {
  createSiteEnvironment,
  news,
  type SiteEnvironment,
} from '../../../integrations/push-sites/site-environment.js';
import { refusal } from '../../../support/client.js';
import { signToken, type TestGateway } from '../../../support/gateway.js';
import { until } from '../../../support/until.js';

let environment: SiteEnvironment;
let a: TestGateway;
let b: TestGateway;

beforeAll(async () => {
  environment = await createSiteEnvironment();
  [a, b] = await Promise.all([environment.start(), environment.start()]);
});
afterAll(async () => {
  await Promise.all([a.close(), b.close()]);
  await environment.close();
});

/** A client without a library: every frame of a namespace as it came over the wire. */
async function openRaw(gateway: TestGateway, namespace: string, auth: Record<string, unknown>) {
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  const frames: string[] = [];
  socket.on('message', (data) => {
    const frame = String(data);
    if (frame.startsWith('0')) socket.send(`40${namespace},${JSON.stringify(auth)}`);
    else if (frame === '2') socket.send('3');
    else frames.push(frame);
  });
  await once(socket, 'open');
  await until(() => frames.some((frame) => frame.startsWith(`40${namespace},`)));
  return {
    /** Frames after the connect, with `#` in the place of the acknowledgement's id. */
    frames: () => frames.slice(1).map((frame) => frame.replace(/^(42\/[^,]+,)\d+/, '$1#')),
    has: (count: number) => until(() => frames.length > count),
    acknowledge(index: number) {
      const [, id] = /^42\/[^,]+,(\d+)/.exec(frames[index + 1] ?? '') ?? [];
      socket.send(`43${namespace},${id}[]`);
    },
    close: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}

const emit = async (user: string, event: string, payload: unknown): Promise<string> => {
  const { json } = await a.call('POST', `/emit/${user}/${event}?durable=true`, JSON.stringify(payload));
  return json.data.id;
};

const tokenOf = (uid: string) => signToken({ uid });

/** Two messages wait, then two come live, the last without an acknowledgement. */
async function deliver(node: TestGateway, user: string, auth: Record<string, unknown>) {
  const ids = [await emit(user, 'm', { n: 1 }), await emit(user, 'list', [2])];
  const client = await openRaw(node, '/v1/shared', { token: tokenOf(user), deviceId: 'd', ...auth });
  await client.has(1);
  client.acknowledge(0);
  ids.push(await emit(user, 'm', { n: 3 }));
  await client.has(2);
  await a.call('POST', `/emit/${user}/plain`, { n: 4 });
  await client.has(3);
  await client.close();
  return { frames: client.frames(), ids };
}

describe.each(['the same node', 'the other node'] as const)('a device on %s', (where) => {
  const node = () => (where === 'the same node' ? a : b);

  test.each([
    ['does not ask', {}],
    ['asks for no ids', { deliveryIds: false }],
  ])('that %s gets the frames without ids', async (name, auth) => {
    const { frames } = await deliver(node(), `old ${where} ${name}`, auth);
    expect(frames).toEqual([
      '42/v1/shared,#["_batch",[["m",{"n":1}],["list",[2]]]]',
      '42/v1/shared,#["m",{"n":3}]',
      '42/v1/shared,["plain",{"n":4}]',
    ]);
  });

  test('that asks for ids gets them before the acknowledgement, live and in batches', async () => {
    const { frames, ids } = await deliver(node(), `new ${where}`, { deliveryIds: true });
    const [first, second, third] = ids;
    expect(frames).toEqual([
      `42/v1/shared,#["_batch",[["m",{"n":1}],["list",[2]]],{"deliveryIds":["${first}","${second}"]}]`,
      `42/v1/shared,#["m",{"n":3},{"deliveryId":"${third}"}]`,
      '42/v1/shared,["plain",{"n":4}]',
    ]);
  });
});

test('the id of a message is the same on the other node after a reconnect', async () => {
  const auth = { token: tokenOf('again'), deviceId: 'd', deliveryIds: true };
  const first = await openRaw(a, '/v1/shared', auth);
  const id = await emit('again', 'm', 1);
  await first.has(1);
  await first.close();
  const second = await openRaw(b, '/v1/shared', auth);
  await second.has(1);
  expect([...first.frames(), ...second.frames()].map((frame) => frame.includes(id))).toEqual([true, true]);
  await second.close();
});

test('a client of a push site gets the ids after the arguments of its website', async () => {
  environment.website.rooms.set('t-7', ['user_7']);
  await sent(a, news, { rooms: 'user_7', event: 'waiting', args: [1, 'x'] });
  const client = await openRaw(b, '/news', { token: 't-7', deviceId: 'd', deliveryIds: true });
  await client.has(2);
  client.acknowledge(1);
  await sent(a, news, { rooms: 'user_7', event: 'none', args: [] });
  await client.has(3);
  const id = expect.stringMatching(/^[0-9a-f]{24}$/);
  const [, batch, live] = client.frames().map((frame) => JSON.parse(frame.slice(frame.indexOf('['))));
  expect(batch).toEqual(['_batch', [['waiting', 1, 'x']], { deliveryIds: [id] }]);
  expect(live).toEqual(['none', { deliveryId: id }]);
  await client.close();
});

test('a request for ids that is not a boolean is refused', async () => {
  const error = await refusal(a, { auth: { token: tokenOf('wrong'), deliveryIds: 'yes' } });
  expect([error.message, error.data]).toEqual(['VALIDATION_ERROR', { errno: 400, message: 'VALIDATION_ERROR' }]);
});

test('the AsyncAPI document describes the ids as headers', () => {
  const document = JSON.parse(JSON.stringify(createAsyncApi()));
  const headers = <Name extends string>(name: Name) =>
    z.object({ headers: z.object({ properties: z.strictObject({ [name]: z.unknown() }) }) });
  const channel = z.object({
    messages: z.object({
      'relayed.event': headers('deliveryId'),
      '_batch.event': headers('deliveryIds'),
      'connect.request': z.object({
        payload: z.object({ properties: z.object({ deliveryIds: z.object({ type: z.literal('boolean') }) }) }),
      }),
    }),
  });
  const names = ['v1.shared', 'v1.conversation', 'v1.conversation.live', 'site'];
  const channels = z.record(z.enum(names), channel);
  const resolved = resolve(document, { channels: document.channels }) as { channels: object };
  const own = Object.fromEntries(Object.entries(resolved.channels).filter(([id]) => names.includes(id)));
  expect(channels.safeParse(own).error).toBeUndefined();
});
