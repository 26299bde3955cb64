import { test } from 'vitest';
import { sendUnread, useFloodTarget } from './flood-target.js';
import { enterRaw } from './raw-connection.js';

const target = useFloodTarget({ EVENT_LIMIT: '10000000', SOCKET_BUFFER_MAX: '131072' });

// Of more than 100 events in flight some are refused, so the client is read slowly, and the network takes megabytes of answers first.
test('a client that sends events within its limit and never reads is closed for the answers it does not take', async () => {
  const connection = await enterRaw(target().gateway, { claims: { uid: 'deaf' } });
  let sent = 0;
  await sendUnread(connection, 500_000, () => {
    sent += 1;
    connection.send(`42/v1/shared,${sent}["unknown"]`);
  });
  await target().expectBounded();
  connection.socket.resume();
  await connection.closed;
});
