import { z } from 'zod';
import { defineContract } from './contract.js';
import { eventError } from './wording.js';

/** What every namespace has. */
export const connection = defineContract({
  name: 'connection',
  serverEvents: {
    server_draining: {
      summary: 'This node is about to stop; the connection is closed soon and may be opened again after that time.',
      payload: z.object({ retry_after_ms: z.number().int().min(0) }),
    },
  },
});

/** What every namespace has whose clients show a token of the platform. */
export const endings = defineContract({
  name: 'endings',
  serverEvents: {
    disconnected: {
      summary:
        'A backend ended the connection or revoked its token (`revoked`), or the user has 100 other devices connected (`QUOTA_EXCEEDED`).',
      payload: z.object({ reason: z.string().nullable() }),
    },
  },
});

/** What every namespace has that answers in the words of the platform. */
export const failures = defineContract({
  name: 'failures',
  serverEvents: {
    event_error: { summary: 'An event without an acknowledgement failed.', payload: eventError },
  },
});

/** What every namespace has whose users have a mailbox. */
export const delivery = defineContract({
  name: 'delivery',
  serverEvents: {
    _batch: {
      summary: 'Durable messages that waited, each `[event, ...arguments]`, in order; to be acknowledged as a whole.',
      payload: z.array(z.array(z.unknown()).min(1)).min(1).max(500),
      isAcknowledged: true,
    },
    _resync: { summary: 'Durable messages were lost to a limit; load everything again.' },
  },
});
