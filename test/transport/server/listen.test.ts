import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { closeServer, listen } from '../../../src/transport/server/listen.js';

const LISTENING = '0A';
const CLIENTS = 1000;

/** Connections to a port of this machine that are complete and wait to be accepted. */
function waitingAt(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((row) => row.trim().split(/\s+/));
  const [, , , , queues = ''] = rows.find(([, address, , state]) => address === local && state === LISTENING) ?? [];
  return Number.parseInt(queues.split(':')[1] ?? '', 16);
}

test('the system keeps a storm of connections while the event loop is busy', async () => {
  const server = createServer();
  const port = await listen(server, { host: '127.0.0.1', port: 0 });
  const sockets = Array.from({ length: CLIENTS }, () => connect(port, '127.0.0.1'));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await closeServer(server);
  });
  // Node.js has begun all connects by now, and accepts none before the event loop goes on.
  const waiting = await new Promise<number>((resolve) => process.nextTick(() => resolve(waitingAt(port))));
  const systemMax = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
  expect(waiting).toBe(Math.min(CLIENTS, systemMax));
});
