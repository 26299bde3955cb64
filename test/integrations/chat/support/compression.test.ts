import { expect, onTestFinished, test } from 'vitest';
import type { WebSocket } from 'ws';
import type { TestClient } from '../../../support/client.js';
import { createTestEnvironment, dataOf } from '../../../support/environment.js';
import { talk } from './chat.js';

/** The WebSocket below a client. */
const websocketOf = ({ socket }: TestClient): WebSocket & { _socket: { bytesRead: number } } =>
  (socket.io.engine.transport as unknown as { ws: WebSocket & { _socket: { bytesRead: number } } }).ws;

async function talkWith(env: Record<string, string>) {
  const environment = await createTestEnvironment({ env });
  onTestFinished(() => environment.close());
  return talk(environment);
}

test('nothing is compressed unless asked for', async () => {
  const { a } = await talkWith({});
  expect(websocketOf(a).extensions).toBe('');
});

test('frames above the threshold are compressed, and compressed input keeps its limits', async () => {
  const { a, b, conversationId } = await talkWith({ COMPRESSION_THRESHOLD: '1024', SOCKET_MESSAGE_MAX: '100000' });
  expect(websocketOf(b).extensions).toContain('permessage-deflate');
  const before = websocketOf(b)._socket.bytesRead;
  dataOf(await a.ask('send_message', { conversationId, content: 'x'.repeat(5000) }));
  expect((await b.next('new_message'))[0].content).toHaveLength(5000);
  expect(websocketOf(b)._socket.bytesRead - before).toBeLessThan(1000);
  // A client compresses its files too.
  const file = dataOf(await a.ask('file_upload', Buffer.alloc(3_000_000), { conversationId, fileName: 'x' }));
  expect(file.fileSize).toBe(3_000_000);
  a.socket.emit('join_conversation', { x: 'x'.repeat(200_000) });
  expect(await a.closed).toBe('transport close');
});
