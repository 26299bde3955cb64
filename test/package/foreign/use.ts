// The same in TypeScript. Each `@ts-expect-error` is a mistake that the compiler must find.
import { createBackend, type GatewayClientError } from 'general-socket/backend';
import { connect, eventsOf } from 'general-socket/client';
import { type ErrorCode, wireVersion } from 'general-socket/contracts';
import { type Device, startGateway, type TestGateway } from 'general-socket/testing';

interface Order {
  readonly number: number;
}

const ADA = '67862093194d24b30b18941c';
const code: ErrorCode = 'VALIDATION_ERROR';

async function handleOrder(gateway: TestGateway): Promise<Order> {
  const backend = createBackend({ url: gateway.url, apiKey: gateway.apiKey });
  const client = connect({
    url: gateway.url,
    namespace: '/v1/shared',
    token: async () => gateway.token(ADA),
    deviceId: 'page',
    events: eventsOf<{ order: [Order] }>(),
  });
  const handled = new Promise<Order>((resolve) => client.on('order', async (order) => resolve(order)));
  await client.emit('join');
  await backend.emitDurable(ADA, 'order', { number: 7 }, { ttlSeconds: 60 });
  const order = await handled;
  client.close();
  return order;
}

export async function mistakes(gateway: TestGateway, device: Device): Promise<void> {
  // @ts-expect-error there is no such namespace
  connect({ url: gateway.url, namespace: '/v1/share', token: async () => '' });
  const client = connect({ url: gateway.url, namespace: '/v1/conversation', token: async () => '' });
  // @ts-expect-error there is no such event
  await client.emit('list_conversations', {});
  // @ts-expect-error a page is a number
  await client.emit('list_conversation', { page: 'one' });
  // @ts-expect-error there is no such setting
  await startGateway({ settings: { EVENT_LIMITS: '5' } });
  // @ts-expect-error users have a name
  await gateway.received(1, 'order');
  // @ts-expect-error events cannot be changed
  device.events.push({ event: 'x', args: [], namespace: '/', wasWaiting: false });
}

const isClientError = (error: unknown): error is GatewayClientError => error instanceof Error && 'code' in error;

const gateway = await startGateway({ users: [ADA], settings: { EVENT_LIMIT: '50' } });
try {
  const order = await handleOrder(gateway);
  const received = await gateway.received<Order>(ADA, 'order');
  const same: boolean = order.number === received.number && gateway.emitted({ event: 'order' }).length === 1;
  await gateway.clock.advance(1000);
  if (!same || isClientError(order) || code.length === 0 || wireVersion.length === 0)
    throw new Error('the order differs');
} finally {
  await gateway.stop();
}
process.stdout.write('done\n');
