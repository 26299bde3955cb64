// @ts-check
// The same as durable.mjs with the typed client: it acknowledges what was handled, drops what comes twice, renews the token
// and comes back by itself.
//
//   node typed-client.mjs <token> [url of the gateway]
import { connect, eventsOf } from 'general-socket/client';

const [, , token = '', url = 'http://localhost:4000'] = process.argv;

/** @typedef {{ notification: [{ title: string, message?: string }] }} Events the events that our backends emit */

const client = connect({
  url,
  namespace: '/v1/shared',
  token: async () => token,
  // Names this device for as long as it exists: keep it in a file. In a browser the client keeps one by itself.
  deviceId: 'laptop-3',
  events: /** @type {ReturnType<typeof eventsOf<Events>>} */ (eventsOf()),
  onResync: () => console.log('messages were dropped: load everything again'),
});

// The message is acknowledged when the promise of the handler resolves.
client.on('notification', async ({ title }) => console.log('notification', title));

client.subscribe(() => {
  const { state, reason } = client.status;
  if (state === 'online') console.log('connected');
  if (state === 'offline') console.error(`cannot connect to ${url}:`, reason);
  if (state === 'refused') {
    console.error(`cannot connect to ${url}:`, reason);
    process.exitCode = 1;
  }
});
