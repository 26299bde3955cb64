import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { addChat, call, cameTo, members, open, say } from './community.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});

afterAll(() => environment?.close());

const HEARD = [
  'chat:new_message',
  'chat:user_typing',
  'chat:user_stopped_typing',
  'chat:user_left',
  'chat:message_read',
  'chat:message_edited',
  'chat:message_deleted',
  'chat:message_reaction',
  'chat:message_pinned',
  'chat:message_unpinned',
  'notification:new',
  'group:user_joined',
  'group:user_left',
  'user_offline',
  'presence:status_changed',
];

/** Ann and Eve, with a block between them, and Fay, in one group chat and one group; each has a client. */
async function meet(blockedBy: 'Ann' | 'Eve', toId: (id: string) => unknown = (id) => new Types.ObjectId(id)) {
  const group = { joinedGroups: [{ groupType: 'single', joinedAt: new Date() }] };
  const [ann, eve, fay] = await members(environment, ['Ann', 'Eve', 'Fay'], group);
  const chatId = await addChat(environment, [ann, eve, fay]);
  const [blocker, blocked] = blockedBy === 'Ann' ? [ann, eve] : [eve, ann];
  const blockedUsers = [toId(blocked.id)];
  await environment.models.User.collection.updateOne(
    { _id: new Types.ObjectId(blocker.id) },
    { $set: { blockedUsers } },
  );
  const f = await open(environment, fay);
  const e = await open(environment, eve, { node: 1 });
  const a = await open(environment, ann);
  return { ann, eve, fay, a, e, f, chatId };
}

test.each(['Ann', 'Eve'] as const)(
  'a block by %s hides all group events of a user from the other, and from no one else',
  async (blockedBy) => {
    const { ann, eve, fay, a, e, f, chatId } = await meet(blockedBy);
    const before = await say(f, chatId, 'of Fay');
    for (const client of [a, e]) expect((await client.next('chat:new_message'))[0].message.content).toBe('of Fay');
    await a.ask('chat:leave', { chatId });
    const { _id: messageId } = await say(e, chatId, 'of Eve');
    await a.ask('chat:join', { chatId });
    for (const [event, data] of [
      ['chat:join', {}],
      ['chat:typing_start', {}],
      ['chat:typing_stop', {}],
      ['chat:mark_read', { messageId: before._id }],
      ['chat:edit_message', { messageId, content: 'changed' }],
      ['chat:add_reaction', { messageId: before._id, emoji: '👍' }],
      ['chat:pin_message', { messageId }],
      ['chat:unpin_message', { messageId }],
      ['chat:delete_message', { messageId }],
      ['chat:leave', {}],
    ] as const) {
      expect(await e.ask(event, { chatId, ...data }), event).toMatchObject({ success: true });
    }
    const body = { content: 'by REST' };
    expect((await call(environment, eve, ['POST', `/api/chats/${chatId}/messages`, body], 1)).status).toBe(201);
    for (const event of ['group:leave', 'group:join']) await e.ask(event, { groupType: 'single' });
    await e.ask('presence:update_status', { status: 'busy' });
    for (const content of ['of Eve', 'by REST']) {
      let heard: string;
      do heard = (await f.next('chat:new_message'))[0].message.content;
      while (heard !== content);
    }
    // The last is told a moment after it was done, because it follows another change of the same kind.
    const told = ['chat:user_typing', 'chat:message_read', 'chat:message_edited', 'chat:message_deleted'];
    for (const event of [...told, 'group:user_joined']) {
      await f.next(event);
    }
    const pair = { speaker: [fay, f], listener: [ann, a] } as const;
    expect(await cameTo(environment, pair, ...HEARD)).toEqual([]);
    expect(a.received('chat:user_joined')).toEqual([]);
    expect(await environment.models.Notification.countDocuments({ recipient: ann.id })).toBe(0);
    // What is stored is the same for all who are in the chat.
    const stored = async (member: typeof ann) =>
      (await call(environment, member, ['GET', `/api/chats/${chatId}/messages`])).json.data;
    expect(await stored(ann)).toEqual(await stored(fay));
  },
);

test.each([
  ['an id', (id: string) => new Types.ObjectId(id)],
  ['text', (id: string) => id],
])('two people with a block that is stored as %s see each other online nowhere', async (_form, toId) => {
  const { ann, eve, fay, a, e, chatId } = await meet('Ann', toId);
  expect((await a.next('presence_snapshot'))[0].online).toEqual([fay.id]);
  for (const [client, other] of [
    [a, eve],
    [e, ann],
  ] as const) {
    const idsOf = (users: { userId: string }[]) => users.map(({ userId }) => userId);
    const asked = [{ chatId }, { userIds: [other.id, fay.id] }];
    for (const data of asked) {
      const { online, users } = dataOf(await client.ask('presence:get_online', data));
      expect([online, idsOf(users)]).toEqual([[fay.id], [fay.id]]);
    }
    expect(idsOf(dataOf(await client.ask('group:get_online', { groupType: 'single' })).users)).not.toContain(other.id);
  }
});
