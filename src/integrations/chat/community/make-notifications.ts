import { Types } from 'mongoose';
import type { Chat } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Notification } from '#shared/models/notification.js';
import type { Context } from '../../../framework/context.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import type { PushNotification } from '../../../platform/fcm/notification.js';
import type { FindPresent } from '../../../realtime/present-users.js';
import { isPositioned, type UserCaller } from '../shared/index.js';
import type { Absentee, ActiveViewers } from './active-viewers.js';
import { type createFollowMessage, toExcerpt } from './follow-message.js';
import type { createNotificationCount } from './notification-count.js';
import type { Publisher } from './publisher.js';
import type { createSettleRead } from './read-notifications.js';
import { isMuted, settingsOf } from './settings.js';
import { toWireNotification } from './to-wire.js';

/** A message sent in a chat. */
interface SentMessage {
  readonly caller: UserCaller;
  readonly chat: Chat;
  /** Ids of participants with a block with the sender. */
  readonly blocked: ReadonlySet<string>;
  readonly message: ChatMessage;
}

/** What notifications are made with. */
export interface NotificationDependencies extends Pick<Context, 'models' | 'clock' | 'logger' | 'push'> {
  publisher: Publisher;
  activeViewers: ActiveViewers;
  settling: Settling;
  findPresent: FindPresent;
}

interface Parts extends ReturnType<typeof createFollowMessage> {
  settleRead: ReturnType<typeof createSettleRead>;
  publishCount: ReturnType<typeof createNotificationCount>['publish'];
}

/** Makes notifications for users who miss a message. */
export function createMakeNotifications(
  { models, clock, logger, push, publisher, activeViewers, settling, findPresent }: NotificationDependencies,
  { settleRead, publishCount, readExcerpt, follow }: Parts,
): (message: SentMessage) => Promise<void> {
  /** Participants without a socket in the chat and without a block with the sender. */
  const findAbsent = async ({ caller, chat, blocked }: SentMessage): Promise<Absentee[]> => {
    const others = chat.participants.filter((user) => !user.equals(caller._id));
    const ids = others.map((user) => user.toHexString()).filter((id) => !blocked.has(id));
    return activeViewers.absentFrom(chat._id.toHexString(), ids).catch((error: unknown) => {
      // A superfluous notification is better than a missing one.
      logger.warn({ err: error }, 'community: reading who views a chat failed; all participants are notified');
      return ids.map((userId) => ({ userId, isConnected: true }));
    });
  };

  /** The notifications as they are after the message was edited, deleted or read in the meantime. */
  const readAgain = async (
    { chat, message }: SentMessage,
    made: readonly Notification[],
  ): Promise<readonly Notification[]> => {
    const [excerpt, settings] = await Promise.all([
      readExcerpt(message),
      models.Chat.findById(chat._id, { participantSettings: 1 }).lean<Chat>(),
    ]);
    if (excerpt !== toExcerpt(message)) await follow({ ...message, participants: chat.participants });
    if (excerpt === undefined) return [];
    const own = settings === null ? undefined : settingsOf(settings);
    const hasRead = ({ recipient }: Notification): boolean => {
      const readPosition = own?.get(recipient.toHexString())?.readPosition;
      return readPosition != null && isPositioned(message) && readPosition >= message.position;
    };
    const read = made.filter(hasRead).map(({ _id }) => _id);
    if (read.length > 0) {
      const readAt = new Date(clock.now());
      await models.Notification.updateMany({ _id: { $in: read } }, { isRead: true, readAt });
    }
    return made.filter((one) => !hasRead(one)).map((one) => ({ ...one, message: excerpt }));
  };

  /** @param away those who were not connected when the message was sent */
  const tell = async (sent: SentMessage, drafts: readonly Notification[], away: ReadonlySet<string>): Promise<void> => {
    // A concurrent change of the message missed these.
    const [made, back] = await Promise.all([readAgain(sent, drafts), findPresent([...away])]);
    if (made.length === 0) return;
    const isHere = (id: string): boolean => !away.has(id) || back.has(id);
    const here = made.filter(({ recipient }) => isHere(recipient.toHexString()));
    for (const own of here) {
      const userIds = [own.recipient.toHexString()];
      publisher.people({ userIds }, { event: 'notification:new', payload: toWireNotification(own) });
    }
    settleRead(here);
    await Promise.all(here.map(({ recipient }) => publishCount({ _id: recipient, id: recipient.toHexString() })));
    if (push.isOn && away.size > 0) await push.send([...away], toPush(sent, made[0]?.message ?? ''));
  };

  /** Tells of notifications that can be stored. */
  const tellLater = (sent: SentMessage, drafts: readonly Notification[], away: ReadonlySet<string>): void =>
    settling.settle<readonly string[]>(`notifications of ${sent.message._id.toHexString()}`, {
      sent: undefined,
      async read() {
        const own = {
          _id: { $in: drafts.map(({ _id }) => _id) },
          recipient: { $in: drafts.map((one) => one.recipient) },
        };
        const stored = await models.Notification.find(own, { _id: 1 }).sort({ _id: 1 }).lean();
        return stored.length === 0 ? undefined : stored.map(({ _id }) => _id.toHexString());
      },
      send: (ids) =>
        tell(
          sent,
          drafts.filter(({ _id }) => ids.includes(_id.toHexString())),
          away,
        ),
    });

  return async function makeNotifications(message) {
    const absent = await findAbsent(message);
    if (absent.length === 0) return;
    const sent = { ...message, chat: await readNow(models, message.chat) };
    const settings = settingsOf(sent.chat);
    const missing = absent.filter(({ userId }) => !isMuted(settings.get(userId), clock.now()));
    if (missing.length === 0) return;
    // Cutting a text takes a quarter of a millisecond.
    const excerpt = toExcerpt(sent.message);
    const drafts = missing.map(({ userId }) => toNotification(sent, { recipient: userId, excerpt }));
    const away = new Set(missing.flatMap(({ userId, isConnected }) => (isConnected ? [] : [userId])));
    await settling.change(
      async () => {
        await models.Notification.insertMany(drafts, { ordered: false });
        await tell(sent, drafts, away);
      },
      () => tellLater(sent, drafts, away),
    );
  };
}

/** A chat as it is named and muted now: what is known of it can be older. */
async function readNow({ Chat: model }: Pick<Context['models'], 'Chat'>, chat: Chat): Promise<Chat> {
  const fields = { groupName: 1, participantSettings: 1 } as const;
  const found = await model.findById(chat._id, fields).lean<Pick<Chat, keyof typeof fields>>();
  return { ...chat, groupName: found?.groupName ?? null, participantSettings: found?.participantSettings ?? [] };
}

const titleOf = ({ caller, chat }: SentMessage): string =>
  chat.type === 'group' && chat.groupName ? chat.groupName : caller.name;

/** The push for users without a socket. */
const toPush = (sent: SentMessage, body: string): PushNotification => ({
  title: titleOf(sent),
  body,
  data: {
    id: sent.message._id.toHexString(),
    event: 'chat:new_message',
    chat_id: sent.chat._id.toHexString(),
  },
});

const toNotification = (
  sent: SentMessage,
  { recipient, excerpt }: { readonly recipient: string; readonly excerpt: string },
): Notification => ({
  _id: new Types.ObjectId(),
  recipient: new Types.ObjectId(recipient),
  sender: sent.caller._id,
  type: 'message',
  title: titleOf(sent),
  message: excerpt,
  relatedChat: sent.chat._id,
  relatedMessage: sent.message._id,
  isRead: false,
  readAt: null,
  ...(isPositioned(sent.message) ? { position: sent.message.position } : {}),
  createdAt: sent.message.createdAt,
});
