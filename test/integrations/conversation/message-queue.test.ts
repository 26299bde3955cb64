import { expect, test } from 'vitest';
import { createMessageQueue } from '../../../src/integrations/conversation/message-queue.js';
import { createKeyedMutex } from '../../../src/platform/concurrency/keyed-mutex.js';
import { createTestClock } from '../../support/clock.js';

const WAIT_MS = 1000;

/** A queue whose stores wait until they are let go on, and store `count` messages, or fail for one that is `bad`. */
function createScene(count = 100) {
  const clock = createTestClock();
  const mutex = createKeyedMutex({ clock, waitMs: WAIT_MS });
  const stores: { messages: readonly string[]; retry(): void; goOn(): void }[] = [];
  const store = createMessageQueue<string, string>({
    inTurn: mutex.run,
    storeFirst: (take) =>
      new Promise((resolve) => {
        const retry = (): void => {
          store.messages = take();
        };
        const store = { messages: take(), retry, goOn };
        const toResult = (one: string) => (one === 'bad' ? new Error('refused') : `stored ${one}`);
        function goOn(): void {
          resolve(store.messages.slice(0, count).map(toResult));
        }
        stores.push(store);
      }),
  });
  return { clock, mutex, stores, store };
}

/** Resolves when everything that waits for nothing else has happened. */
const rest = () => new Promise(setImmediate);

test('messages that wait for a turn are stored in it, in order; those of other conversations do not wait', async () => {
  const { stores, store } = createScene();
  const first = store('a', '1');
  await rest();
  const more = ['2', 'bad', '3'].map((message) => store('a', message));
  const other = store('b', '4');
  await rest();
  expect(stores.map(({ messages }) => messages)).toEqual([['1'], ['4']]);
  for (const { goOn } of stores) goOn();
  expect(await Promise.all([first, other])).toEqual(['stored 1', 'stored 4']);
  await rest();
  expect(stores[2]?.messages).toEqual(['2', 'bad', '3']);
  stores[2]?.goOn();
  const settled = await Promise.allSettled(more);
  expect(settled).toMatchObject([{ value: 'stored 2' }, { reason: new Error('refused') }, { value: 'stored 3' }]);
  expect(stores).toHaveLength(3);
});

test('what is not stored with the first one is stored next, and answered then', async () => {
  const { stores, store } = createScene(1);
  const answered: string[] = [];
  const all = ['1', '2', '3'].map((message) => store('a', message).then((stored) => answered.push(stored)));
  for (let n = 0; n < 3; n += 1) {
    await rest();
    expect(answered).toHaveLength(n);
    stores[n]?.goOn();
  }
  await Promise.all(all);
  expect(stores.map(({ messages }) => messages)).toEqual([['1', '2', '3'], ['2', '3'], ['3']]);
});

test('messages that come before another attempt are stored in it', async () => {
  const { stores, store } = createScene();
  const all = [store('a', '1')];
  await rest();
  all.push(store('a', '2'), store('a', '3'));
  stores[0]?.retry();
  stores[0]?.goOn();
  expect(await Promise.all(all)).toEqual(['stored 1', 'stored 2', 'stored 3']);
  expect(stores).toHaveLength(1);
});

test('a message whose turn does not come in time is refused and never stored, one that is being stored is not', async () => {
  const { clock, mutex, stores, store } = createScene();
  let end = (): void => undefined;
  const busy = mutex.run(['a'], () => new Promise<void>((resolve) => (end = resolve)));
  await rest();
  const late = store('a', 'late');
  const refused = expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await rest();
  clock.advance(WAIT_MS / 2);
  const inTime = store('a', 'in time');
  const together = store('a', 'together');
  clock.advance(WAIT_MS / 2);
  await refused;
  end();
  await busy;
  await rest();
  expect(stores.map(({ messages }) => messages)).toEqual([['in time', 'together']]);
  // The turn of the second one does not come while both are being stored.
  clock.advance(WAIT_MS);
  stores[0]?.goOn();
  expect(await Promise.all([inTime, together])).toEqual(['stored in time', 'stored together']);
});

test('a message that was taken and not stored is refused when its own time is over, others are stored in their turns', async () => {
  const { clock, stores, store } = createScene(1);
  const first = store('a', '1');
  const late = store('a', 'late');
  const refused = expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await rest();
  clock.advance(WAIT_MS / 2);
  const next = store('a', '2');
  const last = store('a', '3');
  await rest();
  stores[0]?.retry();
  clock.advance(WAIT_MS / 2);
  await rest();
  stores[0]?.goOn();
  await Promise.all([first, refused]);
  for (const n of [1, 2]) {
    await rest();
    stores[n]?.goOn();
  }
  expect(await Promise.all([next, last])).toEqual(['stored 2', 'stored 3']);
  expect(stores.map(({ messages }) => messages)).toEqual([['1', 'late', '2', '3'], ['2', '3'], ['3']]);
});
