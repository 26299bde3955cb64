import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../support/environment.js';
import { addChat, call, members, open, say } from './chat/community/community.js';
import { addConversation, openChat } from './chat/support/chat.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

/** One moment, far from now, as different programs write it; and the same for a year in the past. */
const formsOf = (year: number): string[] => [
  `${year}-06-30T12:00:00Z`,
  `${year}-06-30T12:00:00.000Z`,
  `${year}-06-30T12:00:00+00:00`,
  `${year}-06-30T06:30:00-05:30`,
  `${year}-06-30t12:00:00z`,
  `${year}-06-30T12:00:00.000000123+00:00`,
];
const noTimes = ['2030-02-30T00:00:00Z', 'yesterday', '2016-12-31T23:59:60Z'];

/** Everywhere a caller names a time. Each of `past` finds nothing, and each of `future` everything. */
test('every time field accepts every form of RFC 3339', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const a = await environment.open(ann);
  const conversation_id = dataOf(await a.ask('add_conversation', { users: [bob.id], channel_id: 'x' })).conversation
    ._id;
  dataOf(await a.ask('message', { conversation_id, data: 'text' }));
  const s = await openChat(environment, ann);
  const conversationId = await addConversation(environment, [ann, bob]);
  dataOf(await s.ask('send_message', { conversationId, content: 'text' }));
  const [cat] = await members(environment, ['Cat', 'Dan']);
  const c = await open(environment, cat);
  const chatId = await addChat(environment, [cat]);
  await say(c, chatId, 'text');
  await environment.models.Notification.create({ recipient: cat.id, type: 'news', title: 'News' });
  await environment.nodes[0]?.call('POST', `/emit/${ann.id}/told?durable=true`, {});

  const ask = async (client: typeof a, event: string, data: object) => client.ask(event, data);
  const rest = async (path: string, who: { id: string }) => (await call(environment, who, ['GET', path])).json;
  const backend = async (path: string) => (await environment.nodes[0]?.call('GET', path))?.json;
  const places: Record<string, (time: string) => Promise<unknown>> = {
    from: (from) => ask(a, 'conversation_filter', { from }),
    to: (to) => ask(a, 'conversation_filter', { to }),
    before: (before) => ask(a, 'list_message', { conversation_id, before }),
    'support before': (before) => ask(s, 'get_messages', { conversationId, before }),
    'support after': (after) => ask(s, 'get_messages', { conversationId, after }),
    'support list': (before) => ask(s, 'get_conversations', { before }),
    'support REST': (time) => rest(`/api/v1/conversations/${conversationId}/messages?before=${encode(time)}`, ann),
    'support REST list': (time) => rest(`/api/v1/conversations?before=${encode(time)}`, ann),
    'community REST': (time) => rest(`/api/chats/${chatId}/messages?before=${encode(time)}`, cat),
    'community REST after': (time) => rest(`/api/chats/${chatId}/messages?after=${encode(time)}`, cat),
    'community REST list': (time) => rest(`/api/chats?before=${encode(time)}`, cat),
    'unencoded plus': (time) => rest(`/api/chats?before=${time}`, cat),
    notifications: (before) => ask(c, 'notification:list', { before }),
    since: (time) => backend(`/users/${ann.id}/deliveries?since=${encode(time)}`),
  };
  for (const [place, look] of Object.entries(places)) {
    for (const year of [2000, 2090]) {
      const [plain, ...others] = formsOf(year);
      const expected = await look(plain ?? '');
      for (const form of others) expect(await look(form), `${place} ${form}`).toEqual(expected);
    }
    expect(await look('2000-01-01T00:00:00-01:00'), place).not.toEqual(await look('2090-01-01T00:00:00+01:00'));
    for (const text of noTimes) {
      const answer = (await look(text)) as { code?: string; message?: string };
      expect(answer.code ?? answer.message, `${place} ${text}`).toBe('VALIDATION_ERROR');
    }
  }
  for (const until of formsOf(2090)) {
    const { conversation } = dataOf(await a.ask('snooze', { conversation_id, until }));
    expect(conversation.snoozed_until, until).toBe('2090-06-30T12:00:00.000Z');
  }
  expect(await a.ask('snooze', { conversation_id, until: '2016-12-31T23:59:60Z' })).toMatchObject({
    additional_info: { details: [{ path: 'until', message: 'must not be a leap second' }] },
  });
});

const encode = encodeURIComponent;

const blanks = [' ', '\n', '\u200b', '\u200d', '\u2060\ufeff', '\u3164', '\u00a0\u2003', '\ufe0f'];
const texts = ['می\u200cخواهم', '👩\u200d👩\u200d👧', ' a ', '\u200f\u05d0'];

test('blank messages are refused in every chat, and invisible characters within text are kept', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const a = await environment.open(ann);
  const conversation_id = dataOf(await a.ask('add_conversation', { users: [bob.id], channel_id: 'x' })).conversation
    ._id;
  const contact = await environment.models.Contact.create({ account: ann.accountId, name: 'Carla' });
  await a.ask('prospect_add_conversation', { contact_id: String(contact._id), channel_id: 'x' });
  const prospectId = (await a.next('prospect_add_conversation'))[0]._id;
  const s = await openChat(environment, ann);
  const conversationId = await addConversation(environment, [ann, bob]);
  const [cat] = await members(environment, ['Cat']);
  const c = await open(environment, cat);
  const chatId = await addChat(environment, [cat]);
  const mine = dataOf(await s.ask('send_message', { conversationId, content: 'text' }));
  const own = await say(c, chatId, 'text');
  const ways: Record<string, (text: string) => Promise<unknown>> = {
    team: async (data) => dataOf(await a.ask('message', { conversation_id, data })).message.data,
    note: async (data) => dataOf(await a.ask('prospect_add_note', { conversation_id: prospectId, data })).message.data,
    support: async (content) => dataOf(await s.ask('send_message', { conversationId, content })).content,
    'support edit': async (content) =>
      dataOf(await s.ask('edit_message', { conversationId, messageId: mine._id, content })).content,
    community: async (content) => dataOf(await c.ask('chat:send_message', { chatId, content })).content,
    'community edit': async (content) =>
      dataOf(await c.ask('chat:edit_message', { messageId: own._id, content })).content,
  };
  for (const [way, send] of Object.entries(ways)) {
    for (const text of blanks)
      await expect(send(text), `${way} ${JSON.stringify(text)}`).rejects.toThrow('VALIDATION_ERROR');
    for (const text of texts) expect(await send(text), way).toBe(text);
    // Half an emoji, as it is left by a client that cuts text. The database has no other form of it.
    expect(await send('a\ud83d'), way).toBe('a\ufffd');
  }
  // Lone surrogates would all be one id, and another message with it be taken for a retry.
  for (const id of ['\ud800', '\udfff']) {
    const answers = [
      await a.ask('message', { conversation_id, data: 'text', UUID: id }),
      await s.ask('send_message', { conversationId, content: 'text', clientMessageId: id }),
      await c.ask('chat:send_message', { chatId, content: 'text', clientMessageId: id }),
    ];
    expect(answers.map(({ code, message }) => code ?? message)).toEqual(Array(3).fill('VALIDATION_ERROR'));
  }
});

test('spellings of one emoji are one reaction, skin tones are different ones, and invisible ones are refused', async () => {
  const [cat] = await members(environment, ['Cat']);
  const c = await open(environment, cat);
  const chatId = await addChat(environment, [cat]);
  const { _id: messageId } = await say(c, chatId, 'text');
  const react = async (emoji: string): Promise<string[]> => {
    const { reactions } = dataOf(await c.ask('chat:add_reaction', { messageId, emoji }));
    return reactions.map((one: { emoji: string }) => one.emoji);
  };
  expect(await react('👍')).toEqual(['👍']);
  expect(await react('👍\ufe0f')).toEqual([]);
  expect(await react('\u2764')).toEqual(['\u2764\ufe0f']);
  expect(await react('👍🏽')).toEqual(['\u2764\ufe0f', '👍🏽']);
  expect(await react('👍')).toEqual(['\u2764\ufe0f', '👍🏽', '👍']);
  expect(await react('\u2764\ufe0f')).toEqual(['👍🏽', '👍']);
  for (const emoji of ['\u200d', '\ufe0f', '\u200b\u200b', '\u3164', '\u{E0041}', '\u2060', '\u2800']) {
    const answer = await c.ask('chat:add_reaction', { messageId, emoji });
    expect(answer, JSON.stringify(emoji)).toMatchObject({ success: false, code: 'VALIDATION_ERROR' });
  }
  // As another service may have stored it, or this one before.
  const user = (await environment.models.User.findById(cat.id).lean())?._id;
  await environment.models.ChatMessage.collection.updateOne(
    { _id: (await environment.models.ChatMessage.findById(messageId).lean())?._id as never },
    {
      $set: {
        reactions: [
          { user, emoji: '👍\ufe0f' },
          { user, emoji: '👍' },
          { user: cat.id, emoji: '\u2764' },
        ],
      },
    } as never,
  );
  expect(await react('🎉')).toEqual(['👍', '\u2764\ufe0f', '🎉']);
  expect(await react('👍')).toEqual(['\u2764\ufe0f', '🎉']);
  expect(await react('\u2764')).toEqual(['🎉']);
});
