import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { TestClient } from '../../../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { addChat, call, cameTo, members, open } from '../community/community.js';
import { addConversation, openChat, talk } from '../support/chat.js';
import { chatKinds } from './chats.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

/** Does more at once than is allowed. @returns how often it was done */
async function countAllowed(
  times: number,
  work: (n: number) => Promise<{ success: boolean; code?: string }>,
): Promise<number> {
  const answers = await Promise.all(Array.from({ length: times }, (_, n) => work(n)));
  const refused = answers.filter(({ success }) => !success);
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['RATE_LIMITED']));
  return answers.length - refused.length;
}

describe.each(chatKinds)('a retry in the $name chat', (kind) => {
  const LIMIT = kind.name === 'support' ? 50 : 30;

  test('is answered with the stored message above the limit, and does not count', async () => {
    // Limits go by the time of the machine.
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const [ann, bob] = await kind.people(environment, 2);
    if (ann === undefined || bob === undefined) throw new Error('people are missing');
    const id = await kind.make(environment, [ann, bob]);
    const a = await kind.open(environment, ann, 0);
    const draft = { content: 'once', clientMessageId: 'c-1' };
    const first = dataOf(await kind.say(a, id, draft));
    for (let times = 0; times < 5; times += 1) expect(dataOf(await kind.say(a, id, draft))).toEqual(first);
    expect(await countAllowed(LIMIT, (n) => kind.say(a, id, { content: `${n}` }))).toBe(LIMIT - 1);
    for (let times = 0; times < 3; times += 1) expect(dataOf(await kind.say(a, id, draft))).toEqual(first);
    expect(await kind.say(a, id, { content: 'new', clientMessageId: 'c-2' })).toMatchObject({ code: 'RATE_LIMITED' });
  });

  test('is not answered for a user who lost access to the conversation, or for another user', async () => {
    const [ann, bob, eve] = await kind.people(environment, 3);
    if (ann === undefined || bob === undefined || eve === undefined) throw new Error('people are missing');
    const id = await kind.make(environment, [ann, bob, eve]);
    const a = await kind.open(environment, ann, 0);
    const b = await kind.open(environment, bob, 0);
    const draft = { content: 'once', clientMessageId: 'c-1' };
    const first = dataOf(await kind.say(a, id, draft));
    expect(dataOf(await kind.say(b, id, { ...draft, content: 'mine' }))._id).not.toBe(first._id);
    const removal = { $pull: { participants: ann.id } };
    await environment.models.Chat.updateOne({ _id: id }, removal);
    await environment.models.SupportConversation.updateOne({ _id: id }, removal);
    expect(await kind.say(a, id, draft)).toMatchObject({ success: false, code: 'NOT_FOUND' });
  });
});

test('a retry is answered after the conversation was closed, and a new message is refused', async () => {
  const { a, b, conversationId } = await talk(environment);
  const text = { conversationId, content: 'hello', clientMessageId: 'c-1' };
  const file = [PNG, { conversationId, fileName: 'x.png', clientMessageId: 'f-1' }] as const;
  const said = dataOf(await a.ask('send_message', text));
  const uploaded = dataOf(await a.ask('file_upload', ...file));
  await environment.models.SupportConversation.updateOne({ _id: conversationId }, { status: 'closed' });
  const delivered = a.received('message_delivered').length;
  expect(dataOf(await a.ask('send_message', text))).toEqual(said);
  expect(a.received('message_delivered')).toHaveLength(delivered + 1);
  expect(dataOf(await a.ask('file_upload', ...file))).toEqual(uploaded);
  const conflict = { success: false, code: 'CONFLICT' };
  expect(await a.ask('send_message', { ...text, clientMessageId: 'c-2' })).toMatchObject(conflict);
  expect(await a.ask('file_upload', PNG, { ...file[1], clientMessageId: 'f-2' })).toMatchObject(conflict);
  expect(await environment.models.SupportMessage.countDocuments({ conversationId })).toBe(2);
  expect(b.received('new_message')).toHaveLength(2);
});

test('the retry of an upload is answered beyond the limit of files', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const [ann] = await environment.people('Ann');
  const conversationId = await addConversation(environment, [ann]);
  const a = await openChat(environment, ann);
  const upload = (clientMessageId: string) =>
    a.ask('file_upload', PNG, { conversationId, fileName: 'x.png', clientMessageId });
  const first = dataOf(await upload('f'));
  for (let times = 0; times < 5; times += 1) expect(dataOf(await upload('f'))).toEqual(first);
  expect(await countAllowed(20, (n) => upload(`f-${n}`))).toBe(19);
  expect(dataOf(await upload('f'))).toEqual(first);
});

test('a retry is answered after a block and without the message that it replies to', async () => {
  const [ann, bob] = await members(environment, ['Ann', 'Bob']);
  const chatId = await addChat(environment, [ann, bob]);
  const a = await open(environment, ann);
  const b = await open(environment, bob);
  const say = (client: TestClient, data: object) => client.ask('chat:send_message', { chatId, ...data });
  const { _id: replyToId } = dataOf(await say(b, { content: 'question' }));
  const draft = { content: 'answer', replyToId, clientMessageId: 'c-1' };
  const said = dataOf(await say(a, draft));
  await environment.models.ChatMessage.deleteOne({ _id: replyToId });
  expect(dataOf(await say(a, draft))).toEqual(said);
  await environment.models.User.updateOne({ _id: bob.id }, { blockedUsers: [ann.id] });
  expect(dataOf(await say(a, draft))).toEqual(said);
  const overRest = await call(environment, ann, ['POST', `/api/chats/${chatId}/messages`, draft]);
  expect([overRest.status, overRest.json.data]).toEqual([201, said]);
  expect(await say(a, { content: 'new', clientMessageId: 'c-2' })).toMatchObject({ code: 'FORBIDDEN' });
  expect(b.received('chat:new_message')).toHaveLength(2);
  await environment.models.User.updateOne({ _id: bob.id }, { blockedUsers: [] });
  await b.next('chat:new_message');
  await b.next('chat:new_message');
  expect(await cameTo(environment, { speaker: [ann, a], listener: [bob, b] }, 'chat:new_message')).toEqual([]);
});
