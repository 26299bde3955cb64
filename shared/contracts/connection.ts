import { z } from 'zod';
import { defineContract } from './contract.js';
import { eventError } from './reply-schemas.js';

/** Ids are the same at each delivery of a message, on every device and after every reconnect. */
const messageId = z.string().describe('The `id` of the message, as the call that sent it was answered.');

/** The id of a durable message. */
export const deliveryHeader = z.object({ deliveryId: messageId });

/** The ids of the messages of a `_batch`, in the same order. */
const batchHeader = z.object({ deliveryIds: z.array(messageId) });

/** Events of every namespace. */
export const connection = defineContract({
  name: 'connection',
  serverEvents: {
    server_draining: {
      summary: 'This node is shutting down and will close the connection soon. Reconnect after the given time.',
      payload: z.object({ retry_after_ms: z.number().int().min(0) }),
    },
  },
});

/** Events of every namespace with token authentication. */
export const endings = defineContract({
  name: 'endings',
  serverEvents: {
    disconnected: {
      summary:
        'A backend ended the connection, revoked its token (`revoked`) or blocked the user (`blocked`), or the user has 100 other devices connected (`QUOTA_EXCEEDED`).',
      payload: z.object({ reason: z.string().nullable() }),
    },
  },
});

/** Events of every namespace that uses the general reply format. */
export const failures = defineContract({
  name: 'failures',
  serverEvents: {
    event_error: { summary: 'An event without an acknowledgement failed.', payload: eventError },
  },
});

/** Events of every namespace with durable delivery. */
export const delivery = defineContract({
  name: 'delivery',
  serverEvents: {
    _batch: {
      summary:
        'Durable messages that were waiting, each `[event, ...arguments]`, in order. Acknowledge the whole batch.',
      payload: z.array(z.array(z.unknown()).min(1)).min(1).max(500),
      isAcknowledged: true,
      header: batchHeader,
    },
    _resync: { summary: 'Durable messages were dropped because of a limit. Reload all state.' },
  },
});
