import { EventEmitter } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { Response } from 'express';
import { expect, test } from 'vitest';
import { createWatchStreams } from '../../src/framework/watch-streams.js';
import type { ClusterWatcher } from '../../src/realtime/watches.js';
import { createTestClock } from '../support/clock.js';

/** A response that records its lines. A slow reader leaves bytes in its buffer. */
function createResponse() {
  const lines: string[] = [];
  const state = { writableLength: 0, hasBegun: false };
  const response = Object.assign(new EventEmitter(), {
    req: { method: 'GET' },
    destroyed: false,
    setHeader: () => undefined,
    flushHeaders: () => {
      state.hasBegun = true;
    },
    write: (text: string) => lines.push(text.trim()),
    end: () => undefined,
  });
  Object.defineProperty(response, 'writableLength', { get: () => state.writableLength });
  return { response: response as unknown as Response, lines, state };
}

/** @param reached settles when the nodes have answered */
async function openStream(reached: Promise<unknown> = Promise.resolve()) {
  const { response, lines, state } = createResponse();
  const opened: ClusterWatcher[] = [];
  const streams = createWatchStreams({
    clock: createTestClock(),
    presence: { nodes: async () => ['a', 'b'] } as never,
    localNode: { id: 'a' } as never,
    nodeCalls: { handle: () => undefined, call: ({ node }) => (node === 'a' ? Promise.resolve() : reached) },
    watches: {
      watch(_watched, watcher) {
        opened.push(watcher);
        return () => undefined;
      },
      close: () => undefined,
    },
  });
  const begun = streams({ response, isStillValid: () => true }, { filter: { hasPayloads: false } });
  await setImmediate();
  const [watcher] = opened;
  if (watcher === undefined) throw new Error('nothing is watched');
  return { watcher, lines, state, begun };
}

test('begins the response when all nodes watch', async () => {
  let answer = (): void => undefined;
  const reached = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const { lines, state, begun } = await openStream(reached);
  expect(state.hasBegun).toBe(false);
  answer();
  await begun;
  expect(state.hasBegun).toBe(true);
  expect(lines).toEqual([]);
});

test('tells a reader once of each node that does not take part', async () => {
  const { watcher, lines } = await openStream();
  for (const node of ['b', 'b', 'c', 'b']) watcher.noteUnwatched(node);
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { dropped: 0, unwatched: 'b' },
    { dropped: 0, unwatched: 'c' },
  ]);
});

test('tells a slow reader of it when there is place again', async () => {
  const { watcher, lines, state } = await openStream();
  state.writableLength = 10_000_000;
  watcher.noteUnwatched('b');
  expect(lines).toEqual([]);
  state.writableLength = 0;
  watcher.noteUnwatched('b');
  expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ dropped: 0, unwatched: 'b' });
});
