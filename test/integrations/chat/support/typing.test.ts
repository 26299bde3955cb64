import { afterAll, beforeAll, expect, test } from 'vitest';
import { support } from '#shared/contracts/support.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { until } from '../../../support/until.js';
import { expectNothing, openChat, talk } from './chat.js';

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock } });
});
afterAll(() => environment.close());

/** A participant who types, and one who sees it. */
async function typing() {
  const scene = await talk(environment);
  const { a, b, ann, conversationId } = scene;
  expect(await a.ask('typing_start', { conversationId })).toEqual({ success: true });
  expect(await b.next('user_typing')).toEqual([{ userId: ann.id, userName: 'Ann', conversationId }]);
  return { ...scene, stopped: { userId: ann.id, conversationId } };
}

test('typing is sent to the others and not to the caller, and ends on request', async () => {
  const { ann, bob, a, b, conversationId, stopped } = await typing();
  const tab = await openChat(environment, ann, { node: 1 });
  await a.ask('typing_start', { conversationId });
  await b.next('user_typing');
  await a.ask('typing_stop', { conversationId });
  expect(await b.next('user_stopped_typing')).toEqual([stopped]);
  await a.ask('typing_stop', { conversationId });
  clock.advance(10_000);
  const heard = ['user_typing', 'user_stopped_typing'];
  for (const listener of [a, b, tab]) {
    expect(await expectNothing(environment, { speaker: a, listener, users: [ann, bob] }, ...heard)).toEqual([]);
  }
});

test('typing ends by itself after five seconds without a word', async () => {
  const { ann, bob, a, b, conversationId, stopped } = await typing();
  clock.advance(4000);
  await a.ask('typing_start', { conversationId });
  clock.advance(4999);
  expect(
    await expectNothing(environment, { speaker: a, listener: b, users: [ann, bob] }, 'user_stopped_typing'),
  ).toEqual([]);
  clock.advance(1);
  expect(await b.next('user_stopped_typing')).toEqual([stopped]);
});

test('typing ends with the message, with leaving, and with the connection', async () => {
  const { a, b, conversationId, stopped } = await typing();
  dataOf(await a.ask('send_message', { conversationId, content: 'done' }));
  expect(await b.next('user_stopped_typing')).toEqual([stopped]);
  await a.ask('typing_start', { conversationId });
  await a.ask('leave_conversation', { conversationId });
  expect(await b.next('user_stopped_typing')).toEqual([stopped]);
  await a.ask('typing_start', { conversationId });
  a.close();
  expect(await b.next('user_stopped_typing')).toEqual([stopped]);
  expect(b.received('user_stopped_typing')).toEqual([]);
});

test('a participant removed meanwhile does not receive the end', async () => {
  const { ann, bob, a, b, conversationId } = await typing();
  await environment.models.SupportConversation.updateOne({ _id: conversationId }, { $pull: { participants: bob.id } });
  clock.advance(5000);
  expect(
    await expectNothing(environment, { speaker: a, listener: b, users: [ann, bob] }, 'user_stopped_typing'),
  ).toEqual([]);
});

test('an end right after the beginning leaves no typing indicator', async () => {
  const { a, b, conversationId } = await talk(environment);
  for (const stop of ['typing_stop', 'leave_conversation', 'send_message']) {
    a.socket.emit('typing_start', { conversationId });
    await a.ask(stop, { conversationId, content: 'quick' });
    const { _id } = dataOf(await a.ask('send_message', { conversationId, content: 'barrier' }));
    await until(() => b.received('new_message').some(([message]) => message._id === _id));
    await until(() => b.received('user_stopped_typing').length === b.received('user_typing').length);
  }
  // Not even by the clock.
  const told = b.received('user_stopped_typing').length;
  clock.advance(10_000);
  dataOf(await a.ask('send_message', { conversationId, content: 'last' }));
  await until(() => b.received('new_message').some(([message]) => message.content === 'last'));
  expect(b.received('user_stopped_typing')).toHaveLength(told);
});

test('typing has a limit', async () => {
  const { a, conversationId } = await talk(environment);
  const { points, windowMs } = support.clientEvents.typing_start.limit;
  // In two halves, so that they fit into the window on a slow machine, and are not too many at once.
  for (let half = 0; half < 2; half += 1) {
    const answers = await Promise.all(
      Array.from({ length: points / 2 }, () => a.ask('typing_start', { conversationId })),
    );
    expect(new Set(answers.map(({ success }) => success))).toEqual(new Set([true]));
  }
  a.socket.emit('typing_start', { conversationId });
  expect(await a.next('rate_limit_exceeded')).toEqual([
    { event: 'typing_start', limit: points, windowMs, retryAfterMs: expect.any(Number) },
  ]);
});
