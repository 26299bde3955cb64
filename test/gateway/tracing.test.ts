import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { signToken } from '../support/gateway.js';
import { until } from '../support/until.js';

/** A span, as a receiver of OTLP gets it in JSON. */
interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly node: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface Attribute {
  key: string;
  value: Record<string, unknown>;
}

const valuesOf = (attributes: Attribute[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

const spans: ReceivedSpan[] = [];
const paths = new Set<string>();
const receiver: Server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    paths.add(`${request.method} ${request.url}`);
    for (const { resource, scopeSpans } of JSON.parse(Buffer.concat(chunks).toString()).resourceSpans) {
      const node = String(valuesOf(resource.attributes)['service.instance.id']);
      for (const span of scopeSpans.flatMap((scope: { spans: object[] }) => scope.spans)) {
        spans.push({ ...span, node, attributes: valuesOf(span.attributes) });
      }
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

let environment: TestEnvironment;

/** Everything is sent when the nodes stop. */
beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  environment = await createTestEnvironment({
    nodes: 2,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}/` },
    nodeOptions: (node) => ({ env: { NODE_NAME: `gateway-${node}` } }),
  });
  const [near, far] = [environment.node(0), environment.node(1)];
  const client = await connect(far, { auth: { token: signToken({ uid: 'ann' }), deviceId: 'phone' } });
  await client.ask('join');
  const headers = { traceparent: `00-${TRACE}-${PARENT}-01`, 'x-request-id': 'order-1' };
  await near.call('POST', '/emit/ann/notification?durable=true', { title: 'x' }, headers);
  const [, acknowledge] = await client.next('notification');
  acknowledge();
  await until(async () => (await far.call('GET', '/users/ann/deliveries')).json.data.messages[0]?.state === 'acked');
  for (const traceparent of ['', 'x', `00-${'0'.repeat(32)}-${PARENT}-01`, `00-${TRACE}-${'0'.repeat(16)}-01`]) {
    await near.call('POST', '/emit/bob/unparented', 1, { traceparent });
  }
  client.close();
  await environment.close();
});
afterAll(async () => {
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
});

const inTrace = (): ReceivedSpan[] => spans.filter(({ traceId }) => traceId === TRACE);

test('one trace leads from the call over the bus to the send and the acknowledgement on another node', () => {
  expect([...paths]).toEqual(['POST /v1/traces']);
  const [call] = inTrace().filter(({ name }) => name === 'POST /emit/:userId/:event');
  expect(call).toMatchObject({
    node: 'gateway-0',
    parentSpanId: PARENT,
    attributes: { 'http.route': '/emit/:userId/:event', 'http.response.status_code': 200, 'request.id': 'order-1' },
  });
  const steps = inTrace().filter(({ name }) => name.startsWith('durable'));
  expect(steps.map(({ name, node }) => [name, node]).sort()).toEqual([
    ['durable acknowledge', 'gateway-1'],
    ['durable send', 'gateway-1'],
    ['durable store', 'gateway-0'],
  ]);
  for (const { parentSpanId, startTimeUnixNano, endTimeUnixNano } of steps) {
    expect(parentSpanId).toBe(call?.spanId);
    expect(BigInt(endTimeUnixNano) >= BigInt(startTimeUnixNano)).toBe(true);
  }
  expect(inTrace()).toHaveLength(4);
});

test('an event of a client is a span with its outcome', () => {
  expect(spans.find(({ name }) => name === '/v1/shared join')).toMatchObject({
    node: 'gateway-1',
    attributes: { 'event.name': 'join', 'event.code': 'SUCCESS' },
  });
});

test('a call without a valid parent begins a trace of its own', () => {
  const calls = spans.filter(
    ({ name, traceId }) => name === 'POST /emit/:userId/:event' && traceId !== TRACE && !/^0+$/.test(traceId),
  );
  expect(calls).toHaveLength(4);
  expect(new Set(calls.map(({ traceId }) => traceId)).size).toBe(4);
  expect(calls.map(({ parentSpanId }) => parentSpanId ?? '')).toEqual(['', '', '', '']);
});

test('no span has a token, a key or a payload', () => {
  expect(JSON.stringify(spans)).not.toMatch(/eyJ|key-of-the-tests|title/);
});
