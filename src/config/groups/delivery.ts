import { integer, milliseconds, seconds, text } from '../values.js';

/** Durable messages and push notifications. */
export const delivery = {
  DEVICE_TTL: seconds(0).default(3600).describe('seconds the queue of a disconnected device is kept; 0: forever'),
  MAILBOX_MAX: integer(1)
    .default(10_000)
    .describe('maximum queued messages of one device; beyond it the oldest are dropped'),
  RECEIPT_TTL: seconds(1).default(3600).describe('seconds the state of a finished durable emit can be queried'),
  PUSH_AFTER_MS: milliseconds(0, 604_800_000)
    .default(10_000)
    .describe('time until an unacknowledged durable message is sent as a push notification'),
  FIREBASE_SERVICE_ACCOUNT: text(65_536)
    .optional()
    .describe('Firebase service account, as JSON or a path; unset: push is off'),
  GOOGLE_APPLICATION_CREDENTIALS: text()
    .optional()
    .describe('path of Google credentials, instead of FIREBASE_SERVICE_ACCOUNT'),
};
