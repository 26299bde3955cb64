import { expect, onTestFinished, test } from 'vitest';
import { startGateway } from '../support/gateway.js';

test('a gateway serves its documents to authenticated callers', async () => {
  const gateway = await startGateway();
  onTestFinished(() => gateway.close());
  expect(await gateway.call('GET', '/openapi.json')).toMatchObject({ status: 200, json: { openapi: '3.1.1' } });
  expect(await gateway.call('GET', '/asyncapi.json')).toMatchObject({ status: 200, json: { asyncapi: '3.0.0' } });
  const refused = await gateway.call('GET', '/openapi.json', undefined, { 'x-api-key': 'wrong' });
  expect(refused).toMatchObject({ status: 401, json: { success: false, errno: 401, message: 'INVALID_API_KEY' } });
});
