import { expect, test } from 'vitest';
import { createTimeline, GatewayClientError } from '#shared/client/index.js';
import { type Change, changed } from '#shared/client/live-view.js';
import { added } from '#shared/client/timeline.js';
import { createTestClock } from '../../support/clock.js';
import { until } from '../../support/until.js';

interface Message {
  readonly _id: string;
  readonly text: string;
}

/** A view of messages in memory, whose reads the test answers. */
function openView(count: number) {
  const stored: Message[] = Array.from({ length: count }, (_, n) => ({ _id: String(n), text: 'old' }));
  const clock = createTestClock();
  const listeners = new Set<() => void>();
  const client = {
    status: { state: 'online' },
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  let apply: (change: Change<Message>) => void = () => undefined;
  let isListening = true;
  const faults: Error[] = [];
  /** Runs when the server has read, before its answer has come. */
  const meanwhile: (() => void)[] = [];
  let reads = 0;
  const view = createTimeline<Message>({
    client,
    clock,
    async read({ before, limit }) {
      reads += 1;
      const fault = faults.shift();
      if (fault !== undefined) throw fault;
      const end = before === undefined ? stored.length : stored.findIndex(({ _id }) => _id === before);
      const items = stored.slice(Math.max(0, end - limit), end);
      meanwhile.shift()?.();
      return { items, hasMore: end - limit > 0 };
    },
    listen(live) {
      apply = live.apply;
      return () => {
        isListening = false;
      };
    },
  });
  return {
    view,
    stored,
    clock,
    faults,
    meanwhile,
    reads: () => reads,
    isListening: () => isListening,
    go(state: string): void {
      client.status = { state };
      for (const listener of listeners) listener();
    },
    /** A change that is stored and sent. */
    store(message: Message): void {
      const place = stored.findIndex(({ _id }) => _id === message._id);
      if (place === -1) stored.push(message);
      else stored[place] = message;
      apply(place === -1 ? added(message) : changed(message._id, () => message));
    },
    current: () => until(() => view.isCurrent),
  };
}

test('reads back to what is shown, so that changes of the meantime are seen', async () => {
  const { view, stored, go, current } = openView(120);
  await current();
  await view.older();
  expect(view.messages).toHaveLength(100);
  go('offline');
  expect(view.isCurrent).toBe(false);
  stored[30] = { _id: '30', text: 'edited' };
  stored.push({ _id: '120', text: 'new' });
  go('online');
  await current();
  // Whole pages, back to the oldest one that was shown.
  expect(view.messages).toEqual(stored);
  expect(view.hasOlder).toBe(false);
});

test('begins anew without a gap when it missed more than it reads back', async () => {
  const { view, stored, go, current } = openView(10);
  await current();
  go('offline');
  for (let n = 10; n < 1000; n += 1) stored.push({ _id: String(n), text: 'new' });
  go('online');
  await current();
  expect(view.messages).toEqual(stored.slice(-550));
  expect(view.hasOlder).toBe(true);
  while (view.hasOlder) await view.older();
  expect(view.messages).toEqual(stored);
});

test('applies changes again that came while the server was reading', async () => {
  const { view, stored, meanwhile, store, current } = openView(60);
  await current();
  meanwhile.push(() => {
    store({ _id: '20', text: 'edited' });
    store({ _id: '60', text: 'new' });
  });
  await view.refresh();
  expect(view.messages).toEqual(stored.slice(-view.messages.length));
  meanwhile.push(() => store({ _id: '3', text: 'edited' }));
  await view.older();
  expect(view.messages).toEqual(stored);
});

test('reads again after a failure that passes, and says why until then', async () => {
  const { view, faults, clock, current, go, reads } = openView(3);
  await current();
  go('offline');
  faults.push(new GatewayClientError('UNAVAILABLE', 'the database is away'));
  go('online');
  await until(() => view.problem !== undefined);
  expect([view.problem?.code, view.isCurrent, view.messages.length]).toEqual(['UNAVAILABLE', false, 3]);
  clock.advance(1000);
  await current();
  expect([view.problem, reads()]).toEqual([undefined, 3]);
});

test('does not repeat what is refused for good', async () => {
  const { view, faults, clock, go, current, reads } = openView(3);
  await current();
  go('offline');
  faults.push(new GatewayClientError('NOT_FOUND', 'no such conversation'));
  go('online');
  await until(() => view.problem !== undefined);
  clock.advance(100_000);
  await expect(view.refresh()).resolves.toBeUndefined();
  expect(reads()).toBe(3);
});

test('a closed view hears nothing', async () => {
  const { view, store, current, isListening } = openView(3);
  await current();
  view.close();
  store({ _id: '3', text: 'new' });
  expect([view.messages.length, isListening()]).toEqual([3, false]);
});
