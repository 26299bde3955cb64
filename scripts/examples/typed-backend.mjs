// @ts-check
// The same as backend.mjs with the typed client, which makes the key and retries by itself.
//
//   GATEWAY_KEY=<one of EMIT_API_KEYS> node typed-backend.mjs <user id> [url of the gateway]
import { createBackend, GatewayClientError } from 'general-socket/backend';

const [, , userId, url = 'http://localhost:4000'] = process.argv;
if (userId === undefined) {
  console.error('the id of a user is needed');
  process.exit(2);
}

const backend = createBackend({ url, apiKey: process.env['GATEWAY_KEY'] ?? '', totalMs: 3000 });

try {
  const payload = { title: 'New Lead', message: 'You have a new lead!' };
  const { id, state } = await backend.emitDurable(userId, 'notification', payload, { ttlSeconds: 86_400 });
  console.log(`stored as ${id}, ${state}`);
} catch (error) {
  if (!(error instanceof GatewayClientError)) throw error;
  console.error(`not sent: ${url}: ${error.code} ${error.message}`);
  process.exitCode = 1;
}
