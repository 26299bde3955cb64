import { describe, it } from 'vitest';
import { sendUnread, useFloodTarget } from './flood-target.js';
import { enterRaw } from './raw-connection.js';

const target = useFloodTarget();

// Long, because what the systems on both sides keep for a connection has to be full before anything waits in the gateway.
describe('a client that sends pings of the WebSocket and never reads', () => {
  it('is closed for the pongs it does not take', async () => {
    const connection = await enterRaw(target().gateway, { claims: { uid: 'attacker' } });
    await sendUnread(connection, 600_000, () => connection.socket.ping('p'.repeat(125)));
    await target().expectBounded();
    connection.socket.resume();
    await connection.closed;
  });
});
