import type { ClientEvent } from '#shared/contracts/contract.js';
import { opaqueId } from '#shared/contracts/primitives.js';
import { support } from '#shared/contracts/support.js';
import type { ReplyFormat } from '../../../framework/events.js';
import { safeParse } from '../../../validation.js';
import { chatReplyFormat, wordsOf } from '../shared/index.js';

/**
 * `message_error` reports failures of events that were not acknowledged;
 * `rate_limit_exceeded` is sent with an acknowledgement too, as the original does.
 */
export const supportReplyFormat: ReplyFormat = {
  ...chatReplyFormat,
  toErrorEvent(error, { event, data, isAcknowledged }) {
    if (error.code === 'RATE_LIMITED') {
      return { event: 'rate_limit_exceeded', payload: { event, ...limitOf(event), ...error.info } };
    }
    if (isAcknowledged) return undefined;
    return {
      event: 'message_error',
      payload: {
        error: wordsOf(error),
        code: error.code,
        event,
        conversationId: idIn(data, 'conversationId') ?? toId(data),
        clientMessageId: idIn(data, 'clientMessageId'),
        ...error.info,
      },
    };
  },
};

/** The event's own limit, which the pipeline enforces. */
function limitOf(event: string): object {
  const { limit } = (support.clientEvents as Readonly<Record<string, ClientEvent>>)[event] ?? {};
  return limit === undefined ? {} : { limit: limit.points, windowMs: limit.windowMs };
}

/** A value from the client is sent back only if it could be an id. */
const toId = (value: unknown): string | undefined => safeParse(opaqueId, value).data;

const idIn = (data: unknown, field: string): string | undefined =>
  data !== null && typeof data === 'object' ? toId((data as Record<string, unknown>)[field]) : undefined;
