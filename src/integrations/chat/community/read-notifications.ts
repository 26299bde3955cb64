import type { Notification } from '#shared/models/notification.js';
import type { Context } from '../../../framework/context.js';
import type { Settling } from '../../../platform/settling.js';
import type { Publisher } from './publisher.js';

interface Dependencies extends Pick<Context, 'models' | 'clock'> {
  publisher: Publisher;
  settling: Settling;
}

/** A notification can be read on another node before this one sends it. Users are told again then that it was read. */
export function createSettleRead({ models, clock, publisher, settling }: Dependencies) {
  /** @param sent the notifications of one message */
  return function settleRead(sent: readonly Notification[]): void {
    const [first] = sent;
    if (first === undefined) return;
    const own = {
      _id: { $in: sent.map(({ _id }) => _id) },
      recipient: { $in: sent.map(({ recipient }) => recipient) },
    };
    settling.settle(`notifications ${first._id.toHexString()}`, {
      sent: undefined,
      async read() {
        const read = await models.Notification.find({ ...own, isRead: true }, { recipient: 1, readAt: 1 }).lean();
        return read.length === 0 ? undefined : read;
      },
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
