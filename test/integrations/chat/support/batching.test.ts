import { expect, onTestFinished, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf } from '../../../support/environment.js';
import { talk } from './chat.js';

/** An environment whose messages are stored by threes, or after a second that no clock but the test's brings. */
async function createBatchingEnvironment() {
  const clock = createTestClock();
  const env = { MESSAGE_BATCH_SIZE: '3', MESSAGE_BATCH_MS: '1000', MESSAGE_LIMIT: '1000' };
  const environment = await createTestEnvironment({ overrides: { clock }, env });
  onTestFinished(() => environment.close());
  return { clock, environment };
}

test('messages of one batch are sent and acknowledged only after it was stored, in order', async () => {
  const { clock, environment } = await createBatchingEnvironment();
  const { a, b, conversationId } = await talk(environment);
  const acked: string[] = [];
  const say = (content: string, clientMessageId?: string) => {
    const data = { conversationId, content, clientMessageId };
    return a.ask('send_message', data).then((answer) => {
      acked.push(dataOf(answer).content);
      return answer;
    });
  };
  const first = [say('1'), say('2')];
  // An answer that came later by the same way: both were taken in, and wait.
  await a.ask('get_messages', { conversationId });
  await b.ask('get_messages', { conversationId });
  expect(acked).toEqual([]);
  expect(b.received('new_message')).toEqual([]);
  expect(await environment.models.SupportMessage.countDocuments()).toBe(0);

  await Promise.all([...first, say('3')]);
  expect(acked).toEqual(['1', '2', '3']);
  for (const content of acked) expect((await b.next('new_message'))[0].content).toBe(content);

  const late = say('4');
  await a.ask('get_messages', { conversationId });
  await b.ask('get_messages', { conversationId });
  expect(b.received('new_message')).toEqual([]);
  clock.advance(1000);
  await late;
  expect((await b.next('new_message'))[0].content).toBe('4');

  // One that is there already does not keep the others of its batch from being stored.
  const mixed = await Promise.all([say('5', 'c-1'), say('5 again', 'c-1'), say('6')]);
  expect(dataOf(mixed[0])._id).toBe(dataOf(mixed[1])._id);
  for (const content of ['5', '6']) expect((await b.next('new_message'))[0].content).toBe(content);
  expect(await environment.models.SupportMessage.countDocuments()).toBe(6);
  const { messages } = dataOf(await b.ask('get_messages', { conversationId }));
  expect(messages.map(({ content }: { content: string }) => content)).toEqual(['1', '2', '3', '4', '5', '6']);
});

test('what waits to be stored when a node stops is stored', async () => {
  const { clock, environment } = await createBatchingEnvironment();
  const { a, conversationId } = await talk(environment);
  const [node] = environment.nodes;
  const answer = a.ask('send_message', { conversationId, content: 'last words' });
  await a.ask('get_messages', { conversationId });
  let isClosed = false;
  const closing = node?.app.close().then(() => {
    isClosed = true;
  });
  await clock.advanceUntil(100, () => isClosed);
  await closing;
  // The connection stayed until its event had been answered for.
  expect(dataOf(await answer)).toMatchObject({ content: 'last words' });
  expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(1);
});
