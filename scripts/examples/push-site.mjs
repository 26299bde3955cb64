// A client of a push site: what its website sends, it handles and acknowledges.
//
//   node scripts/examples/push-site.mjs <token of the website> [url of the site's namespace]
import { io } from 'socket.io-client';

const [, , token, url = 'http://localhost:4000/newsite'] = process.argv;

const socket = io(url, { transports: ['websocket'], auth: { token, deviceId: '090909' } });

// Store or show an event here. It may come twice, when an acknowledgement was lost.
async function handle(event, ...args) {
  console.log(event, ...args);
}

socket.on('_settings', ({ device_ttl }) => console.log('messages wait for', device_ttl, 'seconds'));
socket.on('update_store', async (type, record, acknowledge) => {
  await handle('update_store', type, record);
  acknowledge?.();
});
socket.on('_batch', async (events, acknowledge) => {
  for (const [event, ...args] of events) await handle(event, ...args);
  acknowledge();
});
socket.on('_resync', () => console.log('messages were dropped: load everything again'));

socket.on('connect_error', ({ message, data, description }) => {
  console.error(`cannot connect to ${url}:`, message, data ?? description?.error?.code ?? '');
  // The client retries by itself when the gateway was not reached, and never after a refusal. It passes when the website was
  // away, or when the refusal says when to come back.
  const seconds = data?.retry_after ?? (data?.errno >= 500 ? 5 : undefined);
  if (seconds !== undefined) setTimeout(() => socket.connect(), seconds * 1000);
  else if (!socket.active) process.exitCode = 1;
});
