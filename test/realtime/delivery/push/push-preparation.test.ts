import { expect, test } from 'vitest';
import { createSender } from '../ingest/sender.js';

const push = { title: 'x', body: '', afterMs: 0 };

/** A store of pushes that is away until it comes back. */
function createAwayStore() {
  let comesBack = (): void => undefined;
  const away = new Promise<void>((resolve) => {
    comesBack = resolve;
  });
  return { addPushes: () => away, comesBack };
}

test('a message without a push is stored while pushes cannot be', async () => {
  const { send, stored } = createSender({ addPushes: () => Promise.reject(new Error('the database refuses it')) });
  const pushed = send('one', { event: 'pushed', push });
  const results = await Promise.allSettled([pushed, send('two', { event: 'plain' }), send('one', { event: 'next' })]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  await expect(pushed).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(stored.toSorted()).toEqual(['next', 'plain']);
});

test('a message without a push does not wait for the pushes of others', async () => {
  const { addPushes, comesBack } = createAwayStore();
  const { send, stored } = createSender({ addPushes });
  const pushed = send('one', { event: 'pushed', push });
  await send('two', { event: 'plain' });
  expect(stored).toEqual(['plain']);
  comesBack();
  await pushed;
  expect(stored).toEqual(['plain', 'pushed']);
});

test('messages to one user are stored in the order in which they were sent, with and without push', async () => {
  const { addPushes, comesBack } = createAwayStore();
  const { send, stored } = createSender({ addPushes });
  const events = ['1 pushed', '2 plain', '3 pushed', '4 plain'];
  const sent = events.map((event) => send('one', { event, push: event.endsWith('pushed') ? push : undefined }));
  await send('two', { event: 'of another' });
  comesBack();
  await Promise.all(sent);
  expect(stored).toEqual(['of another', ...events]);
});
