import { Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { createTestEnvironment } from '../support/environment.js';

/** Writes of a server to its clients. */
function countWrites(url: string): () => number {
  const port = Number(new URL(url).port);
  const spies = [vi.spyOn(Socket.prototype, '_write'), vi.spyOn(Socket.prototype as Required<Socket>, '_writev')];
  const isOfServer = (socket: unknown): boolean => (socket as Socket).localPort === port;
  return () => spies.flatMap(({ mock }) => mock.contexts).filter(isOfServer).length;
}

test('the events of one call to a user are one write, on the node of the call and on another one', async () => {
  const environment = await createTestEnvironment({ nodes: 2 });
  const [ann] = await environment.people('Ann');
  const clients = await Promise.all(
    environment.nodes.map((_, node) => environment.open(ann, { node, namespace: '/v1/shared' })),
  );
  const counts = environment.nodes.map(({ url }) => countWrites(url));
  const items = Array.from({ length: 20 }, (_, n) => ({ userId: ann.id, event: 'news', payload: n }));
  const { status } = await environment.node(0).call('POST', '/emit', { items });
  expect(status).toBe(200);
  for (const client of clients) {
    for (const { payload } of items) expect(await client.next('news')).toEqual([payload]);
  }
  // The answer to the call is one more.
  expect(counts.map((count) => count())).toEqual([2, 1]);
  vi.restoreAllMocks();
  await environment.close();
});
