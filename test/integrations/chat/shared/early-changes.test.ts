import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { createGate } from '../../../support/gate.js';
import { nameOf } from '../../../support/mongo-proxy.js';
import { until } from '../../../support/until.js';
import { open as openCommunity, talk as talkInCommunity } from '../community/community.js';
import { openChat, talk as talkInSupport } from '../support/chat.js';

/** It stands still, so that no node reads the message that is missing. */
const clock = createTestClock();
let environment: TestEnvironment;
/** While it is held, the first node does not learn that it has stored a message. */
const gate = createGate();
let heldReplies = 0;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, proxyOptions: '', overrides: { clock } });
  environment.proxy(0).rules = {
    async onReply(reply, command) {
      const isOfMessage = /"text of the first"/.test(JSON.stringify(command)) && nameOf(command) !== 'find';
      if (!isOfMessage || gate.opened === undefined) return reply;
      heldReplies += 1;
      await gate.opened;
      return reply;
    },
  };
});
afterAll(() => environment.close());

/** The first message is stored, and not sent yet; so the second one waits for it. */
async function sayTwo(first: () => Promise<unknown>, second: () => Promise<unknown>) {
  heldReplies = 0;
  const release = gate.hold();
  const answer = first();
  await until(() => heldReplies > 0);
  const { _id: messageId } = dataOf(await second());
  return {
    messageId,
    async sendBoth() {
      release();
      dataOf(await answer);
    },
  };
}

test('a support message that is deleted before it can be sent is deleted in the end', async () => {
  const { ann, a, b, conversationId } = await talkInSupport(environment);
  const elsewhere = await openChat(environment, ann, { node: 1 });
  const { messageId, sendBoth } = await sayTwo(
    () => a.ask('send_message', { conversationId, content: 'text of the first' }),
    () => elsewhere.ask('send_message', { conversationId, content: 'second' }),
  );
  dataOf(await elsewhere.ask('delete_message', { conversationId, messageId }));
  await b.next('message_deleted');
  expect(b.received('new_message')).toEqual([]);
  await sendBoth();
  for (const content of ['text of the first', 'second']) {
    expect((await b.next('new_message'))[0]).toMatchObject({ content });
  }
  await clock.advanceUntil(500, () => b.received('message_deleted').length > 0);
});

test('a community message that is deleted before it can be sent is deleted in the end', async () => {
  const { ann, a, b, chatId } = await talkInCommunity(environment);
  const elsewhere = await openCommunity(environment, ann, { node: 1 });
  const { messageId, sendBoth } = await sayTwo(
    () => a.ask('chat:send_message', { chatId, content: 'text of the first' }),
    () => elsewhere.ask('chat:send_message', { chatId, content: 'second' }),
  );
  dataOf(await elsewhere.ask('chat:delete_message', { messageId }));
  await b.next('chat:message_deleted');
  expect(b.received('chat:new_message')).toEqual([]);
  await sendBoth();
  for (const content of ['text of the first', 'second']) {
    expect((await b.next('chat:new_message'))[0].message).toMatchObject({ content });
  }
  await clock.advanceUntil(500, () => b.received('chat:message_deleted').length > 0);
});
