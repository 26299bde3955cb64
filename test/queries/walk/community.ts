import { Types } from 'mongoose';
import { community } from '#shared/contracts/community.js';
import { communityNotifications, communityPeople } from '#shared/contracts/community-people.js';
import type { WalkEnvironment } from './environment.js';

/** The community: chats, notifications, people. */
export async function walkCommunity(environment: WalkEnvironment): Promise<void> {
  const { ask, call, models, clock } = environment;
  const joined = { joinedGroups: [{ groupType: 'single' }], firstName: 'Ann' };
  const [ann, bob, eve] = [await environment.user(joined), await environment.user(joined), await environment.user()];
  const unkeyed = { participants: [ann, eve], type: 'direct' as const };
  await models.Chat.create(unkeyed);
  const group = { participants: [ann, bob, eve], type: 'group' as const, groupName: 'All' };
  const chatId = String((await models.Chat.create(group))._id);
  const [a, b] = [await environment.open(ann), await environment.open(bob)];
  await b.next('presence_snapshot');
  for (const participantId of [bob, bob, eve])
    await call(community, 'openDirectChat', { body: { participantId }, as: ann });
  const here = { chatId };
  await ask(community, a, 'chat:join', here);
  await ask(community, a, 'chat:typing_start', here);
  await ask(community, a, 'chat:typing_stop', here);
  const draft = { ...here, content: 'hi', clientMessageId: 'one' };
  const first = await ask(community, a, 'chat:send_message', draft);
  await ask(community, a, 'chat:send_message', draft);
  clock.advance(1);
  const reply = { ...here, content: 'again', replyToId: first._id };
  const second = await ask(community, a, 'chat:send_message', reply);
  await call(community, 'sendMessage', { params: here, body: { content: 'by REST' }, as: ann });
  await ask(community, b, 'chat:mark_read', { ...here, messageId: first._id });
  await ask(community, b, 'chat:mark_read', here);
  await ask(community, a, 'chat:edit_message', { messageId: first._id, content: 'changed' });
  await ask(community, a, 'chat:add_reaction', { messageId: first._id, emoji: '👍' });
  await ask(community, a, 'chat:pin_message', { messageId: first._id });
  await ask(community, a, 'chat:pin_message', { messageId: first._id });
  await ask(community, a, 'chat:unpin_message', { messageId: first._id });
  for (const before of [undefined, chatId, new Date(clock.now()).toISOString()]) {
    await call(community, 'listChats', { query: { limit: '1', ...(before && { before }) }, as: ann });
  }
  const time = new Date(clock.now()).toISOString();
  for (const query of [{}, { before: second._id }, { after: first._id }, { before: time }, { after: time }]) {
    await call(community, 'listMessages', { params: here, query, as: ann });
  }
  await walkNotifications(environment, bob);
  await walkPeople(environment, { ann, bob, chatId });
  await walkCircle(environment);
  await ask(community, a, 'chat:delete_message', { messageId: second._id });
  await ask(community, a, 'chat:leave', here);
}

async function walkNotifications(environment: WalkEnvironment, bob: Types.ObjectId): Promise<void> {
  const { ask, clock } = environment;
  const b = await environment.open(bob);
  const contract = communityNotifications;
  await environment.models.Notification.create({
    recipient: bob,
    type: 'like',
    title: 'x',
    relatedChat: new Types.ObjectId(),
  });
  const { notifications } = await ask(contract, b, 'notification:list', { limit: 1 });
  const [{ _id }] = notifications;
  for (const before of [_id, new Date(clock.now() + 1).toISOString()]) {
    for (const unreadOnly of [true, false]) await ask(contract, b, 'notification:list', { before, unreadOnly });
  }
  await ask(contract, b, 'notification:get_unread_count', {});
  for (let time = 0; time < 2; time += 1) await ask(contract, b, 'notification:mark_read', { notificationId: _id });
  await environment.models.Notification.create({ recipient: bob, type: 'like', title: 'x' });
  await ask(contract, b, 'notification:mark_all_read', {});
}

async function walkPeople(
  environment: WalkEnvironment,
  { ann, bob, chatId }: { ann: Types.ObjectId; bob: Types.ObjectId; chatId: string },
): Promise<void> {
  const { ask } = environment;
  const a = await environment.open(ann);
  const groupType = 'single';
  await ask(communityPeople, a, 'group:join', { groupType });
  await ask(communityPeople, a, 'group:get_online', { groupType });
  await ask(communityPeople, a, 'presence:update_status', { status: 'busy' });
  await ask(communityPeople, a, 'presence:get_online', { chatId });
  await ask(communityPeople, a, 'presence:get_online', { userIds: [bob] });
  await ask(communityPeople, a, 'group:leave', { groupType });
}

/** People who enter the chats together, so that what is asked for each of them is one query. */
async function walkCircle({ models, user, open }: WalkEnvironment): Promise<void> {
  const participants = await Promise.all([user(), user(), user(), user()]);
  await models.Chat.create({ participants, type: 'group' });
  await models.SupportConversation.create({ participants });
  const clients = await Promise.all(participants.map((one) => open(one, { namespace: '/' })));
  for (const client of clients) await client.next('presence_snapshot');
  for (const client of clients) client.close();
}
