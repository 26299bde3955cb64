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

/** Counts the unread notifications of users, and tells them. */
export function createNotificationCount({ models, publisher, settling }: Dependencies) {
  const of = (recipient: Types.ObjectId): Promise<number> =>
    models.Notification.countDocuments({ recipient, isRead: false }).limit(COUNT_MAX);

  /** Sends the number, and later the one there is if that is another one. */
  const publish = async ({ _id, id }: Pick<UserCaller, '_id' | 'id'>): Promise<number> => {
    const send = (count: number): void =>
      publisher.people({ userIds: [id] }, { event: 'notification:unread_count', payload: { count } });
    const count = await of(_id);
    send(count);
    settling.settle(`unread ${id}`, { sent: count, read: () => of(_id), send });
    return count;
  };

  return { of, publish };
}
