import type { Types } from 'mongoose';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Context } from '../../../framework/context.js';
import { cutText } from '../../../platform/text.js';

interface Dependencies extends Pick<Context, 'models' | 'push'> {
  /** Tells users how many notifications are unread. */
  publishCounts: (recipients: readonly Types.ObjectId[]) => Promise<void>;
}

/** A message, where it is stored, and who may read it. */
export interface FollowedMessage extends Pick<ChatMessage, '_id' | 'chat'> {
  readonly participants: readonly Types.ObjectId[];
}

/** What of a message a notification repeats. */
const EXCERPT_MAX = 200;
/** How often notifications are updated again after a concurrent change of their message. */
const ATTEMPTS_MAX = 10;

/** The text of a notification about a message. */
export const toExcerpt = ({ content }: Pick<ChatMessage, 'content'>): string => cutText(content ?? '', EXCERPT_MAX);

/** Lets the notifications of a message follow it when it is edited or deleted. */
export function createFollowMessage({ models, push, publishCounts }: Dependencies) {
  const { ChatMessage: Message, Notification } = models;

  /** @returns the text of a message for its notifications; `undefined`: it is deleted */
  const readExcerpt = async ({ _id, chat }: Pick<ChatMessage, '_id' | 'chat'>): Promise<string | undefined> => {
    const found = await Message.findOne({ _id, chat }, { content: 1, isDeleted: 1 }).lean<ChatMessage>();
    return found === null || found.isDeleted === true ? undefined : toExcerpt(found);
  };

  const withdraw = async (relatedMessage: Types.ObjectId): Promise<void> => {
    const unread = await Notification.find({ relatedMessage, isRead: false }, { recipient: 1 }).lean();
    await Promise.all([Notification.deleteMany({ relatedMessage }), push.withdraw(relatedMessage.toHexString())]);
    await publishCounts(unread.map(({ recipient }) => recipient));
  };

  /** Users who have left a chat are not shown what a message says now, nor what it said. */
  const withdrawFromOthers = async ({ _id: relatedMessage, participants }: FollowedMessage): Promise<void> => {
    const ofOthers = { relatedMessage, type: 'message', recipient: { $nin: [...participants] } };
    const found = await Notification.find(ofOthers, { recipient: 1, isRead: 1 }).lean();
    if (found.length === 0) return;
    const [ids, recipients] = [found.map(({ _id }) => _id), found.map(({ recipient }) => recipient)];
    await Notification.deleteMany({ _id: { $in: ids }, recipient: { $in: recipients } });
    await publishCounts(found.flatMap(({ isRead, recipient }) => (isRead ? [] : recipient)));
  };

  return {
    readExcerpt,

    /** Repeats until nothing changes, so that the last of several concurrent changes wins. */
    async follow(message: FollowedMessage): Promise<void> {
      const { _id: relatedMessage } = message;
      for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
        const excerpt = await readExcerpt(message);
        if (excerpt === undefined) return withdraw(relatedMessage);
        if (attempt === 1) await withdrawFromOthers(message);
        const { modifiedCount } = await Notification.updateMany(
          { relatedMessage, type: 'message', message: { $ne: excerpt } },
          { message: excerpt },
        );
        if (modifiedCount === 0) return;
      }
    },
  };
}
