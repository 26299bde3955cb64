import { z } from 'zod';
import { eventName, isoTime, time } from './primitives.js';

/**
 * Why a message is where it is, for one device. Each says what is known and no more. A test compares the table with the
 * README.
 */
export const deliveryReasons = {
  ACKNOWLEDGED: 'the application on the device has acknowledged it',
  PUSHED: 'it was shown by push; the application has not acknowledged it',
  NOT_CONNECTED: 'the device is connected to no node; it comes when the device connects',
  OTHER_NAMESPACE:
    'the device is connected, but not to the namespace that it was sent to; it comes when it connects there',
  STALLED: 'the device is connected and leaves 500 messages before it unacknowledged; it is sent when it has caught up',
  IN_LINE: 'the device is connected; it is about to be sent, or follows a batch that is not acknowledged',
  NOT_ACKNOWLEDGED:
    'the device is connected and was sent it, or what comes before it; the application acknowledged neither',
  NO_DEVICE_YET: 'no device of the user was known; the first that connects gets it',
  EXPIRED_TTL: 'its `ttl` was over before an acknowledgement came; it is not sent any more',
  EXPIRED_OVERFLOW: 'more than `MAILBOX_MAX` messages waited for the device; the oldest were given up',
  EXPIRED_DEVICE: 'the device was away for longer than `DEVICE_TTL`, or made room for another',
  EXPIRED_RESYNC: 'the device acknowledged a later message that was sent with `resync`, and loads everything again',
  NO_RECORD:
    'nothing is kept of it for this device: either the device was not known when it was sent, or it was acknowledged and its receipt is gone',
} as const satisfies Record<string, string>;

/** A code of {@link deliveryReasons}. */
export type DeliveryReason = keyof typeof deliveryReasons;

const sentences = Object.entries(deliveryReasons).map(([code, sentence]) => `${code}: ${sentence}.`);
const reason = z.enum(Object.keys(deliveryReasons) as [DeliveryReason]).describe(sentences.join('\n'));

/** The states of a durable message. */
export const deliveryState = z.enum(['queued', 'sent', 'acked', 'pushed', 'expired']);

/** Which messages of a user are asked for. All that is given has to hold. */
export const deliveryQuestion = z.object({
  site: z.string().min(1).max(64).describe('A push site; absent: the namespaces of the platform.').optional(),
  event: eventName.optional(),
  state: deliveryState.describe('Messages of which at least one device is in this state.').optional(),
  since: time.describe('Sent at this time or later.').optional(),
  /** A number of a query string. */
  limit: z
    .string()
    .regex(/^(?:[1-9]\d?|100)$/, 'must be a number from 1 to 100')
    .default('50'),
  before: z
    .string()
    .regex(/^\d{1,15}$/, 'must be the `next` of an answer')
    .describe('The `next` of the page before.')
    .optional(),
});

/** What became of the durable messages of a user. */
export const deliveries = z.object({
  messages: z
    .array(
      z.object({
        id: z.string(),
        event: z.string(),
        namespace: z.string(),
        createdAt: isoTime,
        state: deliveryState.describe('The furthest that any device got.'),
        devices: z.array(
          z.object({
            deviceId: z.string().nullable().describe('`null`: no device was known.'),
            state: deliveryState.nullable(),
            at: isoTime.nullable().describe('Since when it is in this state.'),
            reason,
          }),
        ),
      }),
    )
    .describe('Newest first. What was not durable was never kept, and is not here.'),
  devices: z
    .array(
      z.object({
        deviceId: z.string(),
        isConnected: z.boolean(),
        namespaces: z.array(z.string()).describe('Where it is connected, on whatever nodes.'),
        seenAt: isoTime.describe('When it was last known to be there; of a connected device up to 30 seconds ago.'),
        waiting: z.number().int().describe('Messages that it has not acknowledged; counted up to 1000.'),
      }),
    )
    .describe('The devices that messages are kept for.'),
  next: z
    .string()
    .nullable()
    .describe(
      '`before` of the next page, which may hold fewer messages than asked for, or none; `null`: that was all.',
    ),
  keptForMs: z.number().int().describe('For how long a message is kept here after its end.'),
});
