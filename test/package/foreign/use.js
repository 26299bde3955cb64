// A test of an application in JavaScript: its backend emits, and a page of its user handles.
import assert from 'node:assert/strict';
import { createBackend } from 'general-socket/backend';
import { connect } from 'general-socket/client';
import { catalogue } from 'general-socket/contracts';
import { startGateway } from 'general-socket/testing';

const ADA = '67862093194d24b30b18941c';
const gateway = await startGateway({ users: [ADA] });
try {
  const backend = createBackend({ url: gateway.url, apiKey: gateway.apiKey });
  const handled = Promise.withResolvers?.() ?? {};
  handled.promise ??= new Promise((resolve) => Object.assign(handled, { resolve }));
  const page = connect({
    url: gateway.url,
    namespace: '/v1/shared',
    token: async () => gateway.token(ADA),
    deviceId: 'page',
  });
  page.on('order', async (order) => handled.resolve(order));
  const { id } = await backend.emitDurable(ADA, 'order', { number: 7 }, { idempotencyKey: 'order-7' });
  assert.deepEqual(await handled.promise, { number: 7 });
  assert.deepEqual(await gateway.received(ADA, 'order'), { number: 7 });
  assert.deepEqual(gateway.emitted(), [
    { userId: ADA, event: 'order', args: [{ number: 7 }], namespace: '/v1/shared', isDurable: true, id },
  ]);
  await assert.rejects(backend.emit(ADA, '_order', {}), { code: 'VALIDATION_ERROR' });
  assert.equal(catalogue.VALIDATION_ERROR.status, 400);
  page.close();
} finally {
  await gateway.stop();
}
process.stdout.write('done\n');
