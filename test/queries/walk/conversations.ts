import type { Types } from 'mongoose';
import { conversation } from '#shared/contracts/conversation.js';
import { prospect } from '#shared/contracts/prospect.js';
import { session } from '#shared/contracts/session.js';
import { signToken } from '../../support/gateway.js';
import { account, type WalkEnvironment } from './environment.js';

const namespace = '/v1/conversation';
const MINUTE_MS = 60_000;

/** Both kinds of conversation, with every filter of their lists. */
export async function walkConversations(environment: WalkEnvironment): Promise<void> {
  const { ask, models, clock } = environment;
  const [ann, bob, eve] = [await environment.user(), await environment.user(), await environment.user()];
  const [a, b] = [await environment.open(ann, { namespace }), await environment.open(bob, { namespace })];
  const token = signToken({ uid: String(ann), account_id: String(account) });
  await ask(session, a, 'refresh_token', { token });
  await ask(conversation, a, 'join', {});
  await ask(conversation, a, 'active_status', { status: 'away' });
  const made = await ask(conversation, a, 'add_conversation', { users: [bob], channel_id: 'sales', title: 'Talk' });
  const id = made.conversation._id;
  const draft = { conversation_id: id, data: 'hi', UUID: 'one', mentions: [bob] };
  const { message } = await ask(conversation, a, 'message', draft);
  await ask(conversation, a, 'message', draft);
  for (const data of ['two', 'three']) await ask(conversation, a, 'message', { conversation_id: id, data });
  await ask(conversation, b, 'typing', { conversation_id: id });
  for (const list of [{}, { channel_id: 'sales' }]) {
    for (const page of [1, 2]) {
      const paged = { ...list, page, limit: 1 };
      await ask(conversation, a, 'list_conversation', paged);
      await ask(conversation, a, 'channel', paged);
      for (const status of ['open', 'closed', 'unread', 'priority', 'snoozed', 'archived']) {
        await ask(conversation, a, 'conversation_filter', { ...paged, status });
      }
    }
    await ask(conversation, a, 'list_conversation', { ...list, search: 'talk' });
    const span = { from: new Date(clock.now() - MINUTE_MS).toISOString(), to: new Date(clock.now()).toISOString() };
    await ask(conversation, a, 'conversation_filter', { ...list, ...span, users: [bob], search: 'ta' });
    await ask(conversation, a, 'conversation_filter', { ...list, ...span });
    await ask(conversation, a, 'conversation_filter', { ...list, users: [bob], status: 'open' });
  }
  for (const channel_id of ['mentions', 'prospect', 'you']) {
    await ask(conversation, b, 'channel', { channel_id });
    await ask(conversation, b, 'list_conversation', { channel_id, search: 'talk' });
  }
  await ask(conversation, a, 'channel', {});
  await ask(conversation, a, 'get_conversation_by_id', { conversation_id: id });
  for (const before of [undefined, message._id, new Date(clock.now() + MINUTE_MS).toISOString()]) {
    for (const page of [1, 2])
      await ask(conversation, a, 'list_message', { conversation_id: id, before, page, limit: 1 });
  }
  await ask(conversation, a, 'list_message_by_id', { conversation_id: id, message_id: message._id, limit: 3 });
  await ask(conversation, b, 'read', { conversation_id: id, message_id: message._id });
  await ask(conversation, b, 'read', { conversation_id: id });
  await ask(conversation, a, 'archive', { conversation_id: id, archive: true });
  await ask(conversation, a, 'archive', { conversation_id: id, archive: false });
  await ask(conversation, a, 'show_on_top', { conversation_id: id, show_on_top: true });
  await ask(conversation, a, 'open', { conversation_id: id, is_open: false });
  await ask(conversation, a, 'edit_conversation', { conversation_id: id, title: 'Changed' });
  await ask(conversation, a, 'add_participant', { conversation_id: id, users: [eve] });
  await ask(conversation, a, 'snooze', { conversation_id: id, until: new Date(clock.now() + MINUTE_MS).toISOString() });
  await environment.open(eve, { namespace: '/v1/conversation/live' });
  await walkProspects(environment, { ann, bob });
  // Others take a participant out, and leave their state behind.
  await models.Conversation.updateOne({ _id: id }, { $pull: { users: eve } });
  await ask(conversation, a, 'message', { conversation_id: id, data: 'without eve' });
  clock.advance(MINUTE_MS + 1000);
  await a.next('update_conversation');
}

async function walkProspects(
  environment: WalkEnvironment,
  { ann, bob }: Record<'ann' | 'bob', Types.ObjectId>,
): Promise<void> {
  const { ask, call, models, clock } = environment;
  const a = await environment.open(ann, { namespace });
  const contact = await models.Contact.create({ account, name: 'Carla' });
  const users = [bob];
  await ask(prospect, a, 'prospect_add_conversation', { contact_id: contact._id, channel_id: 'sales', users });
  const [{ _id: id }] = await a.next('prospect_add_conversation');
  const own = { conversation_id: id };
  const { message } = await ask(prospect, a, 'prospect_add_note', { ...own, data: 'note', UUID: 'one' });
  await ask(prospect, a, 'prospect_add_note', { ...own, data: 'note', UUID: 'one' });
  await ask(prospect, a, 'prospect_add_note', { ...own, data: 'another' });
  for (const page of [1, 2]) await ask(prospect, a, 'prospect_list_conversation', { page, limit: 1 });
  await ask(prospect, a, 'prospect_list_conversation', { search: 'carla', channel_id: 'sales' });
  await ask(prospect, a, 'prospect_get_conversation_by_id', own);
  for (const before of [undefined, message._id]) await ask(prospect, a, 'prospect_list_message', { ...own, before });
  await ask(prospect, a, 'prospect_list_message_by_id', { ...own, message_id: message._id });
  await ask(prospect, a, 'prospect_read', own);
  await ask(prospect, a, 'prospect_archive', { ...own, archive: false });
  await ask(prospect, a, 'prospect_show_on_top', { ...own, show_on_top: true });
  await ask(prospect, a, 'prospect_open', { ...own, is_open: true });
  await ask(prospect, a, 'prospect_edit_conversation', { ...own, title: 'About Carla' });
  await ask(prospect, a, 'prospect_add_participant', { ...own, users: [await environment.user()] });
  await ask(prospect, a, 'prospect_snooze', { ...own, until: new Date(clock.now() + MINUTE_MS).toISOString() });
  const channel = 'prospect';
  await call(prospect, 'emitMessage', { params: { channel, messageID: message._id } });
  for (const isNew of ['new', 'existing']) {
    await call(prospect, 'emitConversation', { params: { channel, convoID: id, isNew } });
  }
}
