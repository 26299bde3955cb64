// A client that loses no durable message: it acknowledges what it has handled, and keeps its token fresh.
//
//   node scripts/examples/durable.mjs <token, or the URL of an endpoint that answers with one> [url of the gateway]
import { io } from 'socket.io-client';

const [, , tokenSource = '', url = 'http://localhost:4000'] = process.argv;

async function fetchToken() {
  if (!tokenSource.startsWith('http')) return tokenSource;
  const response = await fetch(tokenSource);
  if (!response.ok) throw new Error(`${tokenSource} answered ${response.status}`);
  return (await response.text()).trim();
}

// Each connect needs a fresh token. `deviceId` names this device for as long as it exists: keep it in a file, or in
// `localStorage`.
const socket = io(`${url}/v1/shared`, {
  transports: ['websocket'],
  auth: async (send) => send({ token: await fetchToken(), deviceId: 'laptop-1' }),
});

// Store or show an event here. It may come twice, when an acknowledgement was lost.
async function handle(event, ...args) {
  console.log(event, ...args);
}

socket.on('notification', async (data, acknowledge) => {
  await handle('notification', data);
  acknowledge?.();
});
socket.on('_batch', async (events, acknowledge) => {
  for (const [event, ...args] of events) await handle(event, ...args);
  acknowledge();
});
socket.on('_resync', () => console.log('messages were dropped: load everything again'));

socket.on('auth_expiring', async () => {
  const { message } = await socket.emitWithAck('refresh_token', { token: await fetchToken() });
  console.log('token renewed:', message);
});
// The gateway closes the socket next. The client does not come back by itself after that.
socket.on('auth_expired', () => socket.once('disconnect', () => socket.connect()));

socket.on('connect', () => console.log('connected'));
socket.on('disconnected', ({ reason }) => console.log('disconnected by the platform:', reason));
socket.on('connect_error', ({ message, data, description }) => {
  console.error(`cannot connect to ${url}:`, message, data ?? description?.error?.code ?? '');
  // The client retries by itself when the gateway was not reached, and never after a refusal. It passes when it says when to
  // come back, or when something behind the gateway was away. A block can last longer than a timer.
  const seconds = data?.retry_after ?? (data?.errno >= 500 ? 5 : undefined);
  if (seconds !== undefined) setTimeout(() => socket.connect(), Math.min(seconds, 86_400) * 1000);
  else if (!socket.active) process.exitCode = 1;
});
