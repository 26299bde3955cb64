import { connection, delivery, endings, failures } from '../connection.js';
import { session } from '../session.js';
import { sharedEvents } from '../shared-events.js';
import { defineExamples } from './example.js';
import { TOKEN } from './values.js';

export const connectionExamples = defineExamples(connection, {
  serverEvents: { server_draining: { payload: { retry_after_ms: 2400 } } },
});

export const endingsExamples = defineExamples(endings, {
  serverEvents: { disconnected: { payload: { reason: 'signed out by an administrator' } } },
});

export const failuresExamples = defineExamples(failures, {
  serverEvents: {
    event_error: {
      payload: {
        success: false,
        message: 'VALIDATION_ERROR',
        additional_info: { errno: 400, details: [{ path: 'conversation_id', message: 'must be an id' }] },
        event: 'read',
      },
    },
  },
});

export const deliveryExamples = defineExamples(delivery, {
  serverEvents: {
    _batch: {
      payload: [
        ['notification', { title: 'New Lead', message: 'Wendy Winter asked for an offer.' }],
        ['invoice_paid', { invoice: 'INV-2026-0417', amount: 1290.5, currency: 'EUR' }],
      ],
    },
    _resync: {},
  },
});

export const sessionExamples = defineExamples(session, {
  clientEvents: { refresh_token: { payload: { token: TOKEN } } },
  serverEvents: { auth_expiring: { payload: { expires_in: 60 } }, auth_expired: { payload: {} } },
});

export const sharedEventsExamples = defineExamples(sharedEvents, { clientEvents: { join: { payload: {} } } });
