import type { Types } from 'mongoose';
import type { Context } from '../../../framework/context.js';
import type { Settling } from '../../../platform/settling.js';
import type { UserCaller } from '../shared/index.js';
import type { Publisher } from './publisher.js';

/** Unread notifications are counted up to this number. */
const COUNT_MAX = 100;

interface Dependencies extends Pick<Context, 'models'> {
  publisher: Publisher;
  settling: Settling;
}

type Recipient = Pick<UserCaller, '_id' | 'id'>;

/** Counts the unread notifications of users, and tells them. */
export function createNotificationCount({ models, publisher, settling }: Dependencies) {
  const of = (recipient: Types.ObjectId): Promise<number> =>
    models.Notification.countDocuments({ recipient, isRead: false }).limit(COUNT_MAX);

  const send = (id: string, count: number): void =>
    publisher.people({ userIds: [id] }, { event: 'notification:unread_count', payload: { count } });

  /** Sends the number later, if that is another one. @param sent `undefined`: in any case */
  const settle = ({ _id, id }: Recipient, sent?: number): void =>
    settling.settle(`unread ${id}`, { sent, read: () => of(_id), send: (count) => send(id, count) });

  /** Sends the number, and later the one there is if that is another one. */
  const publish = async (recipient: Recipient): Promise<number> => {
    const count = await of(recipient._id);
    send(recipient.id, count);
    settle(recipient, count);
    return count;
  };

  return { of, publish, settle };
}
