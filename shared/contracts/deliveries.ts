import { z } from 'zod';
import { eventName, isoTime, time } from './primitives.js';

/**
 * The reasons for the delivery state of a message on one device. A test compares the table with its page.
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

/** Filters for the messages of a user, combined with AND. */
export const deliveryQuestion = z.object({
  site: z.string().min(1).max(64).describe('A push site; absent: the namespaces of the platform.').optional(),
  event: eventName.optional(),
  state: deliveryState.describe('Messages with at least one device in this state.').optional(),
  since: time.describe('Sent at or after this time.').optional(),
  /** A number in a query string. */
  limit: z
    .string()
    .regex(/^(?:[1-9]\d?|100)$/, 'must be a number from 1 to 100')
    .default('50'),
  before: z
    .string()
    .regex(/^\d{1,15}$/, 'must be the `next` of an answer')
    .describe('`next` of the previous page.')
    .optional(),
});

/** Delivery states of a user's durable messages. */
export const deliveries = z.object({
  messages: z
    .array(
      z.object({
        id: z.string(),
        event: z.string(),
        namespace: z.string(),
        createdAt: isoTime,
        requestId: z.string().nullable().describe('The `X-Request-Id` of the call that sent it; `null`: not recorded.'),
        state: deliveryState.describe('The most advanced state of any device.'),
        devices: z.array(
          z.object({
            deviceId: z.string().nullable().describe('`null`: the user had no known device.'),
            state: deliveryState.nullable(),
            at: isoTime.nullable().describe('When the device entered this state.'),
            reason,
          }),
        ),
      }),
    )
    .describe('Newest first. Events that were not durable are not recorded.'),
  devices: z
    .array(
      z.object({
        deviceId: z.string(),
        isConnected: z.boolean(),
        namespaces: z.array(z.string()).describe('Namespaces that the device is connected to, on any node.'),
        seenAt: isoTime.describe('When the device was last seen; up to 30 seconds old for a connected device.'),
        waiting: z.number().int().describe('Unacknowledged messages, counted up to 1000.'),
      }),
    )
    .describe('Known devices of the user.'),
  next: z
    .string()
    .nullable()
    .describe(
      '`before` of the next page, which may hold fewer messages than asked for, or none; `null`: that was all.',
    ),
  keptForMs: z.number().int().describe('How long a message stays listed after its final state, in milliseconds.'),
});
