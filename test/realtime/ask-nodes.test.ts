import { expect, test } from 'vitest';
import { createAskNodes } from '../../src/realtime/ask-nodes.js';
import { type Bus, silentBus } from '../../src/realtime/bus.js';
import { createNodeCalls, type NodeCalls } from '../../src/realtime/node-calls.js';
import { createTestClock } from '../support/clock.js';

/** Nodes on a bus in memory. A message arrives in a later microtask, at its node. */
function createNodes(...ids: readonly string[]) {
  const clock = createTestClock();
  const listeners: { node: string; topic: string; listener: (message: unknown) => void }[] = [];
  const busOf = (node: string): Bus => ({
    ...silentBus,
    publishTo(to, topic, message) {
      const text = JSON.stringify(message);
      for (const one of listeners) {
        if (one.topic === topic && one.node === to) queueMicrotask(() => one.listener(JSON.parse(text)));
      }
    },
    subscribe: (topic, listener) => void listeners.push({ node, topic, listener }),
  });
  const calls = new Map<string, NodeCalls>();
  for (const id of ids) calls.set(id, createNodeCalls({ bus: busOf(id), clock, nodeId: id }));
  return {
    clock,
    of(id: string): NodeCalls {
      const found = calls.get(id);
      if (found === undefined) throw new Error(`there is no node ${id}`);
      return found;
    },
  };
}

/** Lets everything happen that needs no time. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('all nodes are asked at once, and one that is dead is waited for by a second', async () => {
  const { clock, of } = createNodes('a', 'b', 'old', 'failing');
  of('a').handle('load', (request) => ({ own: 1, request }));
  of('b').handle('load', (request) => ({ own: 2, request }));
  of('failing').handle('load', () => {
    throw new Error('no');
  });
  const alive = async () => ['a', 'b', 'dead', 'old', 'failing'];
  const ask = createAskNodes({ presence: { nodes: alive }, nodeCalls: of('a'), localNode: { id: 'a' }, clock });
  const answers = ask('load', { steps: 3 });
  await settle();
  clock.advance(1000);
  expect(await answers).toEqual([
    { node: 'a', answer: { own: 1, request: { steps: 3 } } },
    { node: 'b', answer: { own: 2, request: { steps: 3 } } },
    ...['dead', 'old', 'failing'].map((node) => ({ node, answer: undefined })),
  ]);
});

test.each<[string, () => Promise<string[]>]>([
  ['cannot be read', () => Promise.reject(new Error('Redis is away'))],
  ['is not read in time', () => new Promise(() => undefined)],
  ['has lost this node', async () => []],
])('a node answers for itself alone when the list of nodes %s', async (_name, nodes) => {
  const { clock, of } = createNodes('a');
  of('a').handle('load', () => 1);
  const ask = createAskNodes({ presence: { nodes }, nodeCalls: of('a'), localNode: { id: 'a' }, clock });
  const answers = ask('load', {});
  await settle();
  clock.advance(1000);
  expect(await answers).toEqual([{ node: 'a', answer: 1 }]);
});
