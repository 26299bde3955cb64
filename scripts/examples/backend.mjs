// A backend that sends a durable event. It retries with the same idempotency key, so the event is stored once.
//
//   GATEWAY_KEY=<one of EMIT_API_KEYS> node scripts/examples/backend.mjs <user id> [url of the gateway]
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';

const [, , userId, url = 'http://localhost:4000'] = process.argv;
if (userId === undefined) {
  console.error('the id of a user is needed');
  process.exit(2);
}

/** One attempt. @returns the answer of the gateway, or why there is none */
async function post(path, headers, body) {
  try {
    const response = await fetch(url + path, { method: 'POST', headers, body });
    return { status: response.status, answer: await response.json() };
  } catch (error) {
    return { status: undefined, answer: error.cause?.code ?? error.message };
  }
}

/** @returns the `data` of the answer @throws when the call was refused, or failed after all retries */
async function emit(event, payload, idempotencyKey) {
  const path = `/emit/${encodeURIComponent(userId)}/${encodeURIComponent(event)}?durable=true&ttl=86400`;
  const headers = { 'content-type': 'application/json', 'idempotency-key': idempotencyKey };
  if (process.env.GATEWAY_KEY) headers['x-api-key'] = process.env.GATEWAY_KEY;
  for (const retryAfterMs of [200, 400, 800, undefined]) {
    const { status, answer } = await post(path, headers, JSON.stringify(payload));
    if (status === 200) return answer.data;
    const isRetryable = status === undefined || status === 429 || status >= 500;
    if (!isRetryable || retryAfterMs === undefined) throw new Error(`${url}: ${JSON.stringify(answer)}`);
    console.error('trying again after', answer);
    await setTimeout(answer.retryAfterMs ?? retryAfterMs);
  }
}

try {
  // Where the event has an id of its own, such as that of the lead, derive the key from it.
  const key = randomUUID();
  const { id, state } = await emit('notification', { title: 'New Lead', message: 'You have a new lead!' }, key);
  console.log(`stored as ${id}, ${state}`);
} catch (error) {
  console.error(`not sent: ${error.message}`);
  process.exitCode = 1;
}
