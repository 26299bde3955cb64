import { z } from 'zod';
import { type DeliveryReason, deliveryReasons } from './delivery-reasons.js';
import { eventName, isoTime, pageLimit, time } from './primitives.js';

const sentences = Object.entries(deliveryReasons).map(([code, sentence]) => `${code}: ${sentence}.`);
/** The code of a reason. */
const reason = z.enum(Object.keys(deliveryReasons) as [DeliveryReason]).describe(sentences.join('\n'));

/** The states of a durable message. */
export const deliveryState = z.enum(['queued', 'sent', 'acked', 'pushed', 'expired']);

/** What became of a message on a device. */
export const deviceOutcome = z.object({
  deviceId: z.string().nullable().describe('`null`: the user had no known device.'),
  state: deliveryState.nullable(),
  at: isoTime.nullable().describe('When the device entered this state.'),
  reason,
});

/** Filters for the messages of a user, combined with AND. */
export const deliveryQuestion = z.object({
  site: z.string().min(1).max(64).describe('A push site; absent: the namespaces of the platform.').optional(),
  event: eventName.optional(),
  state: deliveryState.describe('Messages with at least one device in this state.').optional(),
  since: time.describe('Sent at or after this time.').optional(),
  limit: pageLimit.default('50'),
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
        devices: z.array(deviceOutcome),
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
        oldestAt: isoTime.nullable().describe('When the oldest of them was sent; `null`: none waits.'),
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
