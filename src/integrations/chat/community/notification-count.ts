import { Types } from 'mongoose';
import type { Context } from '../../../framework/context.js';
import { createLoader } from '../../../platform/concurrency/batcher.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import type { FindPresent } from '../../../realtime/present-users.js';
import type { UserCaller } from '../shared/index.js';
import type { Publisher } from './publisher.js';

/** Unread notifications are counted up to this number. */
const COUNT_MAX = 100;
/** Users whose notifications are counted together. */
const USERS_MAX = 100;

interface Dependencies extends Pick<Context, 'models'> {
  publisher: Publisher;
  settling: Settling;
  findPresent: FindPresent;
}

type Recipient = Pick<UserCaller, '_id' | 'id'>;

/** Counts the unread notifications of users, and tells them. */
export function createNotificationCount({ models, publisher, settling, findPresent }: Dependencies) {
  const { Notification } = models;

  const countOne = async (id: string): Promise<[string, number]> => [
    id,
    await Notification.countDocuments({ recipient: new Types.ObjectId(id), isRead: false }).limit(COUNT_MAX),
  ];

  /** Examines as many notifications as to count each user, and fewer commands nearly always. */
  const countMany = async (ids: readonly string[]): Promise<Map<string, number>> => {
    const most = COUNT_MAX * ids.length;
    const found = await Notification.aggregate<{ _id: Types.ObjectId; count: number }>([
      { $match: { recipient: { $in: ids.map((id) => new Types.ObjectId(id)) }, isRead: false } },
      { $limit: most },
      { $group: { _id: '$recipient', count: { $sum: 1 } } },
    ]);
    const isCut = found.reduce((sum, { count }) => sum + count, 0) === most;
    if (isCut) return new Map(await Promise.all(ids.map(countOne)));
    return new Map(found.map(({ _id, count }) => [_id.toHexString(), Math.min(count, COUNT_MAX)]));
  };

  const load = createLoader<number>(
    async (ids) => (ids.length === 1 ? new Map(await Promise.all(ids.map(countOne))) : countMany(ids)),
    USERS_MAX,
  );

  const of = async (recipient: Types.ObjectId): Promise<number> => (await load(recipient.toHexString())) ?? 0;

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

  /** To those of the users who may have a socket. */
  const publishAll = async (ids: readonly Types.ObjectId[]): Promise<void> => {
    const present = await findPresent(ids.map((id) => id.toHexString()));
    const recipients = ids.map((_id) => ({ _id, id: _id.toHexString() }));
    await Promise.all(recipients.filter(({ id }) => present.has(id)).map(publish));
  };

  return { of, publish, publishAll, settle };
}
