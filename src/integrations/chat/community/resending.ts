import { isObjectIdOrHexString, Types } from 'mongoose';
import type { Chat } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Context } from '../../../framework/context.js';
import type { LastChanges, Resending } from '../../../framework/integration.js';
import { chunksOf } from '../../../platform/lists.js';
import type { StoredChange } from '../../../platform/mongo/changes.js';
import type { Blocks, People, UserCaller } from '../shared/index.js';
import type { ChatAccess } from './access.js';
import type { CommunityServices } from './service.js';
import { settingOf } from './settings.js';
import type { UserSummaries } from './user-summaries.js';

/** Documents that are read together. */
const READ_MAX = 200;

interface Dependencies extends Pick<Context, 'models'> {
  readonly blocks: Blocks;
  readonly people: People;
  readonly summaries: UserSummaries;
  readonly services: Pick<
    CommunityServices,
    'sendAgain' | 'sendReadAgain' | 'finishRead' | 'changes' | 'pins' | 'notifications' | 'statuses'
  >;
}

/** A message, and the chat that it is in. */
interface Placed {
  readonly message: ChatMessage;
  readonly chat: Chat;
}

/** Sends again what a node may have stored and not sent. */
export function createResending({ models, blocks, people, summaries, services }: Dependencies): Resending {
  const { Chat, ChatMessage: Message, Notification, User } = models;

  /** A chat as the user sees it who has made a change, also one who has left it or is locked now. */
  const openAs = async (chat: Chat, user: Types.ObjectId): Promise<ChatAccess> => {
    const id = user.toHexString();
    const [shown, blocked] = await Promise.all([summaries.read([user]), blocks.of(id)]);
    const { name, image } = shown.get(id) ?? { name: '', image: null };
    const caller: UserCaller = {
      kind: 'user',
      _id: user,
      id,
      name,
      image,
      role: 'user',
      account: '',
      blocked: [],
      groups: [],
    };
    return { caller, chat, blocked, isBlocked: false };
  };

  const sendMessage = async (message: ChatMessage, chat: Chat, fields: ReadonlySet<string>): Promise<void> => {
    const sendAs = async (
      user: Types.ObjectId,
      about: Parameters<typeof services.changes.sendAgain>[1],
    ): Promise<void> => services.changes.sendAgain({ ...(await openAs(chat, user)), message }, about);
    if (message.isDeleted === true) {
      if (!fields.has('isDeleted')) return;
      await sendAs(message.deletedBy ?? message.sender, 'deletion');
      return services.notifications.publishCounts(chat.participants);
    }
    if (['content', 'isEdited', 'editedAt'].some((field) => fields.has(field))) await sendAs(message.sender, 'edit');
    if (!fields.has('reactions') || message.lastReaction === undefined) return;
    const [user = '', emoji = ''] = message.lastReaction.split(' ');
    if (isObjectIdOrHexString(user)) await sendAs(new Types.ObjectId(user), { emoji });
  };

  /** Messages are marked as read before it is stored how far their reader has read. */
  const finishReads = async (changes: readonly StoredChange[], messages: readonly Placed[]): Promise<void> => {
    for (const { message, chat, user } of lastRead(changes, messages)) {
      const { readPosition } = settingOf(chat, user) ?? {};
      // Nearly always it was stored.
      if (message.position !== undefined && message.position <= (readPosition ?? 0)) continue;
      await services.finishRead(await openAs(chat, user), message);
    }
  };

  const sendMessages = async (changes: readonly StoredChange[]): Promise<void> => {
    const changed = new Map(changes.map((one) => [one.id.toHexString(), topFieldsOf(one)]));
    const messages = await Message.find({ _id: { $in: changes.map(({ id }) => id) } }).lean<ChatMessage[]>();
    const chats = await Chat.find({ _id: { $in: messages.map(({ chat }) => chat) } }).lean<Chat[]>();
    const chatOf = new Map(chats.map((chat) => [chat._id.toHexString(), chat]));
    const placed = messages.flatMap((message) => {
      const chat = chatOf.get(message.chat.toHexString());
      return chat === undefined ? [] : { message, chat };
    });
    for (const { message, chat } of placed)
      await sendMessage(message, chat, changed.get(message._id.toHexString()) ?? new Set());
    await finishReads(changes, placed);
  };

  const sendPins = async (chat: Chat, { values }: StoredChange): Promise<void> => {
    const stored = values.flatMap(([path, value]) => (path === 'lastPin' ? String(value) : []));
    for (const pin of new Set([...stored, chat.lastPin ?? ''])) {
      const [id = '', user = ''] = pin.split(' ');
      if (!isObjectIdOrHexString(id) || !isObjectIdOrHexString(user)) continue;
      const message = await Message.findOne({ _id: id, chat: chat._id }).lean<ChatMessage>();
      if (message !== null)
        await services.pins.sendAgain({ ...(await openAs(chat, new Types.ObjectId(user))), message });
    }
  };

  const sendReads = async (chat: Chat, change: StoredChange): Promise<void> => {
    for (const user of changedUsers('participantSettings', chat.participantSettings ?? [], change)) {
      // Clients show how far participants have read, and would not forget one who has left since.
      if (chat.participants.some((one) => one.equals(user))) await services.sendReadAgain(await openAs(chat, user));
    }
  };

  const sendChats = async (changes: readonly StoredChange[]): Promise<void> => {
    const changed = new Map(changes.map((one) => [one.id.toHexString(), one]));
    for (const chat of await Chat.find({ _id: { $in: changes.map(({ id }) => id) } }).lean<Chat[]>()) {
      const change = changed.get(chat._id.toHexString());
      if (change === undefined) continue;
      const fields = topFieldsOf(change);
      if (fields.has('participantSettings')) await sendReads(chat, change);
      if (fields.has('pinnedMessages') || fields.has('lastPin')) await sendPins(chat, change);
    }
  };

  const sendStatus = async ({ id, fields }: StoredChange): Promise<void> => {
    const person = fields.has('presenceStatus') ? await people.find(id.toHexString()) : undefined;
    if (person !== undefined) await services.statuses.sendAgain({ kind: 'user', ...person });
  };

  return {
    collections: [Message, Chat, Notification, User].map(({ collection }) => collection.collectionName),
    async send(changes: LastChanges) {
      const idsOf = (some: readonly StoredChange[]) => some.map(({ id }) => id);
      for (const some of chunksOf(changes.insertedIn(Message), READ_MAX)) await services.sendAgain(idsOf(some));
      const changed = changes.of(Message).filter(({ fields }) => fields.size > 0);
      for (const some of chunksOf(changed, READ_MAX)) await sendMessages(some);
      for (const some of chunksOf(changes.of(Chat), READ_MAX)) await sendChats(some);
      const made = changes.insertedIn(Notification);
      for (const some of chunksOf(made, READ_MAX)) await services.notifications.sendAgain(idsOf(some), true);
      const others = changes.of(Notification).filter((one) => !made.includes(one));
      for (const some of chunksOf(others, READ_MAX)) await services.notifications.sendAgain(idsOf(some), false);
      for (const one of changes.of(User)) await sendStatus(one);
    },
  };
}

const topFieldsOf = ({ fields }: StoredChange): ReadonlySet<string> =>
  new Set([...fields].map((path) => path.split('.')[0] ?? ''));

/** The users whose entries of a list were changed; all, when the place is not known. */
function changedUsers(
  list: string,
  entries: readonly { readonly user: Types.ObjectId }[],
  { fields }: StoredChange,
): Types.ObjectId[] {
  const places = [...fields].flatMap((path) => {
    const [top, place] = path.split('.');
    return top === list ? (place ?? 'all') : [];
  });
  const isChanged = (place: number): boolean => places.includes('all') || places.includes(String(place));
  return entries.flatMap(({ user }, place) => (isChanged(place) ? user : []));
}

/** The last message of each chat that each user was noted to have read. */
function lastRead(changes: readonly StoredChange[], messages: readonly Placed[]) {
  const changed = new Map(changes.map((one) => [one.id.toHexString(), one]));
  const last = new Map<string, Placed & { readonly user: Types.ObjectId }>();
  for (const one of messages) {
    const { _id, chat, readBy = [] } = one.message;
    const change = changed.get(_id.toHexString());
    for (const user of change === undefined ? [] : changedUsers('readBy', readBy, change)) {
      const key = `${chat.toHexString()} ${user.toHexString()}`;
      const known = last.get(key)?.message;
      if (known === undefined || isLater(one.message, known)) last.set(key, { ...one, user });
    }
  }
  return last.values();
}

const isLater = (one: ChatMessage, other: ChatMessage): boolean =>
  (one.position ?? 0) - (other.position ?? 0) > 0 ||
  (one.position === other.position && one.createdAt > other.createdAt);
