import { expect, test } from 'vitest';
import { mergeNodes, type Node, stateOf } from '../../src/console/nodes.js';

const answered = (id: string, fields: Partial<Node> = {}): Node => ({
  id,
  name: `node ${id}`,
  version: '1.0.0',
  startedAt: '2026-05-01T10:00:00.000Z',
  connections: 3,
  connectionsByNamespace: { '/v1/shared': 3 },
  eventsPerSecond: 1,
  emitsPerSecond: 1,
  eventLoopLagMs: 1,
  memoryBytes: 1,
  redis: 'up',
  mongo: 'up',
  isDraining: false,
  isReady: true,
  ...fields,
});

const silent = (id: string): Node =>
  ({ ...Object.fromEntries(Object.keys(answered(id)).map((name) => [name, null])), id }) as unknown as Node;

test('a node that does not answer keeps what it said last, and when', () => {
  const first = mergeNodes([], [answered('a'), answered('b')], 1000);
  const second = mergeNodes(first, [answered('a'), silent('b')], 2000);
  expect(second).toEqual([
    { node: answered('a'), answeredAt: 2000, presence: 'answering' },
    { node: answered('b'), answeredAt: 1000, presence: 'silent' },
  ]);
  expect(second.map(stateOf)).toEqual(['ready', 'no answer']);
});

test('a node that answers again is current again', () => {
  const rows = mergeNodes(mergeNodes([], [silent('a')], 1000), [answered('a', { connections: 9 })], 2000);
  expect(rows).toEqual([{ node: answered('a', { connections: 9 }), answeredAt: 2000, presence: 'answering' }]);
});

test('a node that never answered has nothing but its id', () => {
  const rows = mergeNodes([], [silent('a')], 1000);
  expect(rows).toEqual([{ node: silent('a'), answeredAt: undefined, presence: 'silent' }]);
});

test('a node that has left stays for five minutes', () => {
  const first = mergeNodes([], [answered('a'), answered('b')], 0);
  const second = mergeNodes(first, [answered('a')], 299_999);
  expect(second.map(stateOf)).toEqual(['ready', 'has left']);
  expect(mergeNodes(second, [answered('a')], 300_000).map(({ node }) => node.id)).toEqual(['a']);
});

test('a node that drains, or is not ready, is not shown as ready', () => {
  const nodes = [answered('a', { isDraining: true, isReady: false }), answered('b', { isReady: false })];
  expect(mergeNodes([], nodes, 0).map(stateOf)).toEqual(['draining', 'not ready']);
});
