import type { Types } from 'mongoose';
import type { Notification } from '#shared/models/notification.js';
import type { Context } from '../../../framework/context.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import { chunksOf } from '../../../platform/lists.js';
import type { Publisher } from './publisher.js';

interface Dependencies extends Pick<Context, 'models' | 'clock'> {
  publisher: Publisher;
  settling: Settling;
}

/** Notifications that are looked at together. */
const LOOKED_AT_MAX = 1000;

/** A notification can be read on another node before this one sends it. Then its read state is sent once more. */
export function createSettleRead({ models, clock, publisher, settling }: Dependencies) {
  const findRead = (sent: readonly (readonly [string, Types.ObjectId])[]) =>
    models.Notification.find(
      { _id: { $in: sent.map(([id]) => id) }, recipient: { $in: sent.map(([, user]) => user) }, isRead: true },
      { recipient: 1, readAt: 1 },
    ).lean();

  return function settleRead(sent: readonly Pick<Notification, '_id' | 'recipient'>[]): void {
    settling.settleEach<Types.ObjectId, Awaited<ReturnType<typeof findRead>>>('notifications', {
      sent: sent.map(({ _id, recipient }) => [_id.toHexString(), recipient]),
      read: async (all) => (await Promise.all(Array.from(chunksOf([...all], LOOKED_AT_MAX), findRead))).flat(),
      send(read) {
        for (const { _id, recipient, readAt } of read) {
          const payload = {
            notificationId: _id.toHexString(),
            readAt: (readAt ?? new Date(clock.now())).toISOString(),
          };
          publisher.people({ userIds: [recipient.toHexString()] }, { event: 'notification:read', payload });
        }
      },
    });
  };
}
